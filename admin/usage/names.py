"""Checks of names that an operator passes to usage commands: a typo is an error, not an empty result."""

from __future__ import annotations

from admin.errors import unknown
from admin.report import rollups
from admin.report.period import Period
from admin.session import Session
from lambda_src.contract import MODELS_PK, SK


def check_model(session: Session, model: str | None, consumer: str | None, days: Period) -> None:
    """Raise RefusedError, with similar names, if `model` neither exists nor was used in `days`.

    consumer: look at this consumer's usage; None: at everybody's.
    """
    if model is None:
        return
    known = {str(item[SK]) for item in session.ledger.query(MODELS_PK)}
    if model in known:
        return
    names = rollups.select_consumers(session, consumer)
    (used,) = rollups.read_totals(session.ledger, names, [days], [rollups.group_by(lambda key: key.model)])
    if model not in used:
        raise unknown("model", model, known | set(used), list_command="tollgate providers list")
