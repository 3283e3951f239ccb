"""Who still needs a data set.

Features that build on data sets tell it here, because data sets do not know them:

    @tells_need
    def needs_dataset(session: Session, dataset_id: str) -> JobId | None: ...
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

Need = Callable[[Session, str], str | None]
"""The id of something that needs the data set of this id, or None."""

AnyNeed = TypeVar("AnyNeed", bound=Need)

_needs: list[Need] = []


def tells_need(need: AnyNeed) -> AnyNeed:
    """Have this function asked before a data set is deleted."""
    _needs.append(need)
    return need


def find_need(session: Session, dataset_id: str) -> str | None:
    """The id of something that needs the data set, or None."""
    return next((found for need in _needs if (found := need(session, dataset_id)) is not None), None)
