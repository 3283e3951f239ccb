"""How a job of any kind enters the queue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from core.errors import Problem
from service.datasets.tables import DatasetRow
from service.jobs.ids import JOB_IDS
from service.jobs.journal import record_state
from service.jobs.states import JobKind, JobState
from service.jobs.tables import JobPlanRow, JobRow
from service.kit.http.strict_json import Json

_SHARED = {"read": True, "key_share": True}


@dataclass(frozen=True)
class Bounds:
    """What this server allows one job."""

    parameters: int
    seconds: float
    memory_mb: int


@dataclass(frozen=True)
class Order:
    """A job with nothing left open."""

    kind: JobKind
    name: str
    spec: Mapping[str, Any]
    """What was asked, with every default written out."""

    limit_seconds: float
    limit_memory_mb: int
    epochs: int = 1
    """How many there will be at most; 1 for work without epochs."""

    dataset: str | None = None
    validation_dataset: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    notes: tuple[str, ...] = ()
    network: Mapping[str, Json] = field(default_factory=dict)
    preparation: Mapping[str, Json] = field(default_factory=dict)


def enqueue(session: Session, order: Order, now: datetime) -> JobRow:
    """The job that waits in the queue from the commit on."""
    job = JobRow(
        id=JOB_IDS.new(),
        kind=order.kind,
        name=order.name,
        dataset_id=order.dataset,
        validation_dataset_id=order.validation_dataset,
        labels=dict(order.labels),
        priority=order.priority,
        state=JobState.QUEUED,
        created_at=now,
        limit_seconds=order.limit_seconds,
        limit_memory_mb=order.limit_memory_mb,
        epochs=order.epochs,
        attempt=0,
        last_event=0,
    )
    session.add(job)
    session.flush()
    session.add(
        JobPlanRow(
            job_id=job.id,
            spec=dict(order.spec),
            notes=list(order.notes),
            network=dict(order.network),
            preparation=dict(order.preparation),
        )
    )
    record_state(session, job, now=now)
    session.flush()
    return job


def missing(session: Session, datasets: Mapping[str, str], *, lock: bool = False) -> list[Problem]:
    """Those of these data sets, by where they are named, that are not there.

    With `lock` the others cannot be deleted before the transaction ends.
    """
    return [
        Problem(place, "there is no data set with this id", got=dataset)
        for place, dataset in datasets.items()
        if session.get(DatasetRow, dataset, with_for_update=_SHARED if lock else None) is None
    ]
