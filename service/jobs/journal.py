"""What happens to a job, written beside it: events, and changes of state."""

from datetime import datetime

from sqlalchemy.orm import Session

from service.jobs.states import TERMINAL, JobState, StopReason, check_transition
from service.jobs.tables import EventRow, JobPlanRow, JobRow, JobStateRow
from service.kit.clock import rfc3339
from service.kit.http.strict_json import Json


def tell(session: Session, job: JobRow, kind: str, data: dict[str, Json], *, now: datetime) -> int:
    """Append an event; the caller holds the job's row, so that ids follow one another. Its id."""
    job.last_event += 1
    session.add(EventRow(job_id=job.id, id=job.last_event, kind=kind, at=now, data=data))
    return job.last_event


def enter(session: Session, job: JobRow, state: JobState, *, now: datetime, reason: str | None = None) -> None:
    """Move the job to another state and tell so.

    Raises ImpossibleTransition for a state that may not follow.
    """
    check_transition(job.state, state)
    job.state = state
    record_state(session, job, now=now, reason=reason)


def record_state(session: Session, job: JobRow, *, now: datetime, reason: str | None = None) -> None:
    """Tell of the state that the job is in from now on."""
    data: dict[str, Json] = {"state": job.state, "at": rfc3339(now), "reason": reason, "attempt": job.attempt}
    event = tell(session, job, "state", data, now=now)
    session.add(JobStateRow(job_id=job.id, event=event, state=job.state, at=now, reason=reason))


def end(session: Session, job: JobRow, state: JobState, stop_reason: StopReason, *, now: datetime) -> None:
    """Bring the job to a terminal state, free it from its holder, and say the last word about it."""
    assert state in TERMINAL
    job.stop_reason = stop_reason
    job.finished_at = now
    release(job)
    enter(session, job, state, now=now, reason=stop_reason)
    data: dict[str, Json] = {
        "state": state,
        "stop_reason": stop_reason,
        "epoch": job.epoch,
        "step": job.step,
        "best_epoch": job.best_epoch,
        "model": job.model_id,
        "result": job.result,
        "error": job.error,
        "at": rfc3339(now),
    }
    tell(session, job, "end", data, now=now)


def note_provenance(session: Session, job: JobRow, provenance: dict[str, Json]) -> None:
    """Remember what epochs of the job were computed with; the same is remembered once."""
    plan = session.get_one(JobPlanRow, job.id)
    if provenance not in plan.provenance:
        plan.provenance = [*plan.provenance, provenance]


def release(job: JobRow) -> None:
    """Nobody holds the job any longer: whoever did finds no row to write to."""
    job.nonce = None
    job.worker_id = None
    job.lease_expires_at = None
