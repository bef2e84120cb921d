"""`make prices`: regenerate `constructs_lib/prices.json` from its sources, and print what changes.

python -m tools.prices

Prices are in USD per million tokens. Models whose environment file states prices keep them.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Final

from constructs_lib import price_table
from tools.paths import ROOT
from tools.prices import coverage, disagreements
from tools.prices.changes import (
    environment_changes,
    environment_prices,
    merged_names,
    table_changes,
    table_names,
    table_prices,
)
from tools.prices.table import TABLE, all_merged, differences, table

ENVIRONMENTS: Final = ROOT / "environments"


def main() -> int:
    as_of = datetime.now(UTC).date()
    settled = disagreements.read()
    lists = all_merged(as_of, settled)
    found = differences(lists)
    new, gone = disagreements.mismatch(settled, found)
    disagreements.FILE.write_text(disagreements.updated(settled, found), encoding="utf-8")
    settled = disagreements.read()
    text = table(as_of, settled)

    names = table_names() | merged_names(lists)
    old, before, environments = price_table.version(), table_prices(names), environment_prices(ENVIRONMENTS)
    TABLE.write_text(text, encoding="utf-8")
    page = coverage.page(coverage.PAGE.read_text(encoding="utf-8"), lists, settled)
    coverage.PAGE.write_text(page, encoding="utf-8")
    price_table.reload()
    after = table_prices(names)
    print(f"prices.json: {old} → {price_table.version()}, in USD per million tokens")
    print(*table_changes(before, after), sep="\n")
    print(f"disagreements between the sources: {len(settled.rule_of)}")
    for text, items in (("new, the dearer price applies", new), ("no longer exists", gone)):
        for item in items:
            print(f"  {text}: {item.list_name} {item.model} {'; '.join(item.prices)}")
    print("environments:")
    print(*(f"  {line}" for line in environment_changes(environments, environment_prices(ENVIRONMENTS))), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
