"""How an attempt can end: the last write for its job, whatever the kind."""

from collections.abc import Callable
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.jobs import leases
from service.jobs.states import JobState, StopReason
from service.jobs.tables import JobRow
from service.kit.http.strict_json import Json

Conclusion = Callable[[Session, JobRow, datetime], None]
"""The last write of an attempt, as part of the transaction that also writes what still waited."""


def give_back(session: Session, job: JobRow, now: datetime) -> None:
    """Stop before the end: as asked, or because the worker is shut down."""
    leases.give_back(session, job, "its worker was shut down", now=now)


def failure(stop_reason: StopReason, facts: dict[str, Json]) -> Conclusion:
    """The job cannot go on, for this reason."""
    return lambda session, job, now: leases.fail(session, job, stop_reason, facts, now=now)


def unless_cancelled(conclude: Conclusion) -> Conclusion:
    """The same, but a job that came to its end while it was being cancelled is cancelled."""

    def conclusion(session: Session, job: JobRow, now: datetime) -> None:
        if job.state == JobState.CANCELLING:
            leases.give_back(session, job, "cancelled by the user", now=now)
        else:
            conclude(session, job, now)

    return conclusion


def finding(stop_reason: StopReason, result: BaseModel) -> Conclusion:
    """The job has found something and makes no model."""
    found = result.model_dump(mode="json")
    return unless_cancelled(
        lambda session, job, now: leases.report(session, job, stop_reason, found, now=now),
    )


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
