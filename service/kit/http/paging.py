"""Lists by key, never by offset: a page stays right while rows come and go.

@router.get("/jobs")
def list_jobs(session: ReadSession, paging: Paging) -> Page[JobView]:
    rows = fetch_page(session, select(JobRow), JobRow.id, paging)
    return rows.page(JobView.of, lambda job: job.id)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Depends, Query
from pydantic import Field
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.kit.http.schemas import StrictModel

Row = TypeVar("Row")
Item = TypeVar("Item")

DEFAULT_LIMIT = 20
MOST = 200


class Page(StrictModel, Generic[Item]):
    """Part of a list; go on with `?after=<last_id>`, or back with `?before=<first_id>`."""

    data: list[Item]
    first_id: str | None = Field(description="The id of the first item here.")
    last_id: str | None = Field(description="The id of the last item here.")
    has_more: bool = Field(description="Whether the list goes on in the direction that was asked for.")


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is asked for."""

    limit: int = DEFAULT_LIMIT
    after: str | None = None
    before: str | None = None
    order: Literal["asc", "desc"] = "desc"


def _page_request(
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many items at most.")] = DEFAULT_LIMIT,
    after: Annotated[str | None, Query(max_length=100, description="Only what follows this id in the list.")] = None,
    before: Annotated[str | None, Query(max_length=100, description="Only what precedes this id in the list.")] = None,
    order: Annotated[Literal["asc", "desc"], Query(description="Oldest or newest first.")] = "desc",
) -> PageRequest:
    return PageRequest(limit, after, before, order)


Paging = Annotated[PageRequest, Depends(_page_request)]
"""The parameters `limit`, `after`, `before` and `order` of a route that answers a list."""


@dataclass(frozen=True)
class Rows(Generic[Row]):
    """The rows of one page, in the order of the list."""

    rows: Sequence[Row]
    has_more: bool

    def page(self, view: Callable[[Row], Item], key: Callable[[Row], str]) -> Page[Item]:
        """The answer made of these rows."""
        return Page(
            data=[view(row) for row in self.rows],
            first_id=key(self.rows[0]) if self.rows else None,
            last_id=key(self.rows[-1]) if self.rows else None,
            has_more=self.has_more,
        )


def fetch_page(
    session: Session, query: Select[Row], key: InstrumentedAttribute[Any], request: PageRequest
) -> Rows[Row]:
    """The rows of `query` that the request asks for, ordered by the unique column `key`.

    With `before` alone it is the page that ends just there, not the first of the list.
    """
    ascending = request.order == "asc"
    if request.after is not None:
        query = query.where(key > request.after if ascending else key < request.after)
    if request.before is not None:
        query = query.where(key < request.before if ascending else key > request.before)
    backward = request.before is not None and request.after is None
    ordered = query.order_by(key.asc() if ascending != backward else key.desc())
    found = list(session.scalars(ordered.limit(request.limit + 1)))
    rows = found[: request.limit]
    return Rows(rows[::-1] if backward else rows, has_more=len(found) > request.limit)
