"""Names that an operator gives to usage commands: whoever mistypes one is told, not shown nothing."""

from __future__ import annotations

from admin.errors import unknown
from admin.report import rollups
from admin.report.period import Period
from admin.session import Session
from lambda_src.contract import MODELS_PK, SK


def known_model(session: Session, model: str | None, consumer: str | None, days: Period) -> None:
    """Refused, with the nearest names, for a model that is not there and that the consumer (None: anybody) did not use
    in these days either."""
    if model is None:
        return
    known = {str(each[SK]) for each in session.table.query(MODELS_PK)}
    if model in known:
        return
    names = rollups.chosen(session, consumer)
    (used,) = rollups.add_up(session.table, names, days, [rollups.grouped(lambda cell: cell.model)])
    if model not in used:
        raise unknown("model", model, known | set(used), seen_with="tollgate providers list")
