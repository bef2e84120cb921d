"""The CDKTF app: one stack per environment file.

    python main.py [--environments DIR] [NAME ...]

Writes cdktf.out. Without names it synthesizes every file in `environments/`, or in the folder that --environments or
the environment variable TOLLGATE_ENVIRONMENTS names. CDKTF_OUTDIR sets another output folder, as in every CDKTF app.
"""

from __future__ import annotations

import sys
from pathlib import Path

from constructs_lib.program import read_environments

CHECKOUT = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    """Synthesizes. Exit code: 0 on success, 2 if an environment file is missing or has errors."""
    environments = read_environments(CHECKOUT, arguments)

    # Imported here because CDKTF takes seconds to load, and errors should show at once.
    from constructs_lib.aws import App
    from constructs_lib.stack import TollgateStack

    app = App()
    for environment in environments:
        TollgateStack(app, environment=environment, project=CHECKOUT)
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
