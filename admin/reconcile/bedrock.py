"""Amazon Bedrock in AWS's Cost and Usage Report: legacy columns (`lineItem/UsageType`) and those of CUR 2.0
(`line_item_usage_type`), which legacy reports in Parquet have too.

- docs.aws.amazon.com/bedrock/latest/userguide/cost-mgmt-understanding-cur-data.html: usage types such as
  `USE1-Claude4.6Sonnet-cache-read-input-token-count` and `USE1-Nova2.0Lite-input-tokens-flex`.
- docs.aws.amazon.com/cur/latest/userguide/Lineitem-columns.html and table-dictionary-cur2.html: line item types; times
  are in UTC. In CUR 2.0 the product's name is in the map `product`.

Models that are sold through AWS Marketplace have usage types without the model, such as
`USE1-MP:USE1_InputTokenCount-Units`, and a product name such as "Claude Sonnet 4.6 (Amazon Bedrock Edition)".
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

from admin.reconcile.rows import Line, Row

COLUMNS: Final = {
    "line_item_usage_start_date": "lineItem/UsageStartDate",
    "line_item_usage_type": "lineItem/UsageType",
    "line_item_unblended_cost": "lineItem/UnblendedCost",
    "line_item_product_code": "lineItem/ProductCode",
}
"""Columns that a report must have: name in CUR 2.0 and in the legacy report."""
OPTIONAL: Final = {
    "line_item_usage_end_date": "lineItem/UsageEndDate",
    "line_item_line_item_type": "lineItem/LineItemType",
    "line_item_usage_amount": "lineItem/UsageAmount",
    "line_item_currency_code": "lineItem/CurrencyCode",
    "pricing_unit": "pricing/unit",
    "product_product_name": "product/ProductName",
    "product_servicename": "product/servicename",
}
MAP: Final = "product"
_NAMES: Final = COLUMNS | OPTIONAL
_USAGE: Final = frozenset({"", "Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"})
_EDITION: Final = re.compile(r"\s*\(Amazon Bedrock Edition\)\s*$", re.IGNORECASE)
_TOKENS: Final = re.compile(
    r"(?:[A-Z]{2,4}\d?-)?(?P<model>.+?)(?:-mantle)?-"
    r"(?P<kind>(?:text-|audio-|image-|video-|speech-)?(?:input|output|cache-read|cache-write)(?:-[a-z0-9]+)*?-tokens?(?![a-z]).*)"
)
_MARKETPLACE: Final = re.compile(r"(?:[A-Z0-9]+-)?MP:[A-Z0-9]+_(?P<kind>.*token.*)", re.IGNORECASE)
_UNIT: Final = re.compile(r"(1?[KM]|1,?000|1,?000,?000|)\s*(?:input |output )?tokens?", re.IGNORECASE)
_SIZES: Final = {"": 1, "K": 1_000, "1K": 1_000, "1000": 1_000, "M": 1_000_000, "1M": 1_000_000, "1000000": 1_000_000}


def line(row: Row) -> Line:
    """The line of a row of the report. The row of another service charges nothing."""
    read = _Read(row)
    start = read.name("line_item_usage_start_date")
    product = read.product()
    edition = _EDITION.search(product)
    if not read.text("line_item_product_code").startswith("AmazonBedrock") and not edition:
        return Line(day=row.day(start))
    usage_type, item_type = read.text("line_item_usage_type"), read.text("line_item_line_item_type")
    row.usd(read.name("line_item_currency_code"))
    cost = row.number(read.name("line_item_unblended_cost"))
    if item_type not in _USAGE:
        return Line(day=row.day(start), kind="other", cost=cost, item=item_type)
    day = row.day(start, read.name("line_item_usage_end_date"))
    sold, direct = _MARKETPLACE.fullmatch(usage_type), _TOKENS.fullmatch(usage_type)
    found = sold if edition and sold else direct
    if found is None:
        return Line(day=day, kind="fee", cost=cost, item=re.sub(r"^[A-Z]{2,4}\d?-(?:MP:[A-Z0-9]+_)?", "", usage_type))
    output = re.search(r"output|response", found["kind"], re.IGNORECASE) is not None
    amount = read.tokens()
    return Line(
        day=day,
        model=_EDITION.sub("", product) if found is sold else found["model"],
        kind="batch" if "batch" in found["kind"].lower() else "usage",
        cost=cost,
        tokens_in=amount if not output else None,
        tokens_out=amount if output else None,
        uncounted=amount is None,
        item=usage_type,
    )


class _Read:
    """A row's values by their names in CUR 2.0."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.legacy = COLUMNS["line_item_usage_type"] in row.values

    def name(self, column: str) -> str:
        return _NAMES[column] if self.legacy else column

    def text(self, column: str) -> str:
        return self.row.text(self.name(column))

    def product(self) -> str:
        """The product's name; "" if there is none."""
        named = self.text("product_product_name") or self.text("product_servicename")
        mapped: Any = self.row.values.get(MAP)
        if named or not mapped:
            return named
        if isinstance(mapped, str):
            if "Amazon Bedrock Edition" not in mapped:
                return ""
            try:
                mapped = json.loads(mapped)
            except ValueError:
                return ""
        attributes = mapped if isinstance(mapped, dict) else {}
        return str(attributes.get("product_name") or attributes.get("servicename") or "")

    def tokens(self) -> Decimal | None:
        """The usage amount in tokens; None if the unit does not say how many tokens it is."""
        unit = _UNIT.fullmatch(self.text("pricing_unit"))
        amount = self.row.number(self.name("line_item_usage_amount"))
        return amount * _SIZES[unit[1].upper().replace(",", "")] if unit else None
