"""What is stored of a run, judged; reading changes nothing."""

import json
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.diagnosis.chance import tells_classes
from core.diagnosis.course import Failure, Point
from core.diagnosis.judge import judge, taken_over
from core.diagnosis.record import Record
from core.diagnosis.verdict import Verdict, is_healthy
from core.graph.graph import Graph
from core.optimizers import OPTIMIZERS
from service.diagnosis.errors import NothingToDiagnose
from service.diagnosis.schemas import Change, Diagnosis, DiagnosisTold
from service.epochs.tables import EpochRow
from service.jobs import repository
from service.jobs.ids import JobId
from service.jobs.tables import EventRow, JobPlanRow, JobRow
from service.layers.use_cases import graph_of, statistics_of

KIND = "diagnosis"
"""Of the events that tell of it."""

AT_ONCE = 256
"""Epochs that are read together."""


def diagnose(session: Session, job_id: JobId) -> Diagnosis:
    """What is to be said of a job that trains, up to its last whole epoch.

    What would have been is computed by its worker, when a verdict appears; here it is read from what was told then.

    Raises JobNotFound, NothingToDiagnose.
    """
    job = repository.find(session, job_id)
    if job.kind != "training":
        raise NothingToDiagnose(job=job.id, kind=job.kind)
    told = last_told(session, job)
    if told is None:
        return Diagnosis(verdicts=[], healthy=True, epoch=0, chance=None)
    optimizer = session.get_one(JobPlanRow, job.id).spec["optimizer"]
    record = new_record(graph_of(session, job), str(optimizer["kind"]), told.chance)
    remember(session, job, record)
    verdicts = [taken_over(verdict, told.verdicts) for verdict in judge(record.course(_failure(job)))]
    return Diagnosis(verdicts=verdicts, healthy=is_healthy(verdicts), epoch=job.epoch, chance=told.chance)


def new_record(graph: Graph, optimizer: str, chance: float | None) -> Record:
    """A record of a run without any epoch yet."""
    return Record(graph, tells_classes(graph), OPTIMIZERS[optimizer].rescales, chance)


def remember(session: Session, job: JobRow, record: Record) -> None:
    """Enter all that is stored of a job, some epochs at a time."""
    # Of an epoch that overflowed there are looks and no losses.
    for first in range(0, job.epoch + 2, AT_ONCE):
        last = first + AT_ONCE - 1
        query = select(EpochRow).where(EpochRow.job_id == job.id, EpochRow.epoch.between(first, last))
        points = {row.epoch: _point(row) for row in session.scalars(query)}
        looks = {look.epoch: look for look in statistics_of(session, job, record.graph, first=first, last=last)}
        for epoch in sorted(points | looks):
            record.add(points.get(epoch), looks.get(epoch))


def _point(row: EpochRow) -> Point:
    return Point(row.epoch, row.learning_rate, row.training.get("loss"), row.validation.get("loss"))


def last_told(session: Session, job: JobRow) -> DiagnosisTold | None:
    """The state that was told last; None before a worker has begun."""
    query = select(EventRow).where(EventRow.job_id == job.id, EventRow.kind == KIND)
    event = session.scalars(query.order_by(EventRow.id.desc()).limit(1)).first()
    return None if event is None else DiagnosisTold.model_validate_json(json.dumps(event.data))


def changes(before: Iterable[Verdict], after: Iterable[Verdict]) -> list[Change]:
    """What has appeared, become better or worse, or ended."""
    was = {verdict.code: verdict.severity for verdict in before}
    becomes = {verdict.code: verdict.severity for verdict in after}
    return [
        Change(code=code, was=was.get(code), becomes=becomes.get(code))
        for code in sorted(was | becomes)
        if was.get(code) != becomes.get(code)
    ]


def _failure(job: JobRow) -> Failure | None:
    """How the run overflowed, if it did."""
    if job.stop_reason != "diverged" or job.error is None:
        return None
    node, step = job.error.get("node"), job.error.get("step")
    return Failure(str(node) if node is not None else None, int(step) if isinstance(step, int) else 0, job.epoch)
