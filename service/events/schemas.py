"""What the events route answers to callers that want JSON."""

from typing import Any

from pydantic import Field

from service.kit.clock import Time
from service.kit.http.schemas import StrictModel


class EventView(StrictModel):
    """Something a job said."""

    id: int = Field(description="Counts from 1 within the job, without a gap.")
    event: str = Field(description="`state`, `epoch`, `layers`, `diagnosis`, `checkpoint` or `end`; others may come.")
    at: Time
    data: dict[str, Any]


class EventPage(StrictModel):
    """Events of a job, oldest first; go on with `?after=<last_id>`."""

    data: list[EventView]
    first_id: int | None
    last_id: int | None
    has_more: bool
