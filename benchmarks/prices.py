"""Print which models have a price, why others have none, and where the sources of the price table disagree.

    .venv/bin/python -m benchmarks.prices

It reads the installed genai-prices and `tools/prices/litellm.json`, and measures the load time of the table. `make
prices` writes the same tables into docs/prices.md. Targets: every price that both sources state is compared, and each
difference is in `tools/prices/disagreements.toml`; the table loads in at most 20 ms of CPU time.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date
from typing import Final

from constructs_lib import price_table
from tools.prices import coverage, disagreements
from tools.prices.table import TABLE, all_merged, differences

MAX_LOAD_MS: Final = 20
ROUNDS: Final = 5


def main() -> int:
    settled = disagreements.read()
    lists = all_merged(date.fromisoformat(price_table.version()[:10]), settled)
    print(coverage.generated(lists, settled))
    new, gone = disagreements.mismatch(settled, differences(lists))
    milliseconds = min(_load_ms() for _ in range(ROUNDS))
    size = TABLE.stat().st_size
    print(
        f"{price_table.version()}: {size:,} bytes, loaded in {milliseconds:.1f} ms of CPU time (at most {MAX_LOAD_MS})"
    )
    print(f"disagreements: {len(settled.rule_of)}, not in the file {len(new)}, no longer existing {len(gone)}")
    return 0 if milliseconds <= MAX_LOAD_MS and not new and not gone else 1


def _load_ms() -> float:
    started = time.process_time()
    json.loads(TABLE.read_text(encoding="utf-8"))
    return 1_000 * (time.process_time() - started)


if __name__ == "__main__":
    sys.exit(main())
