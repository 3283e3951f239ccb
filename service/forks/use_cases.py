"""Jobs forked: planned from what their parent was asked, and begun with a copy of its checkpoint."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from core.data.preparation import Preparation
from core.errors import Invalid, Problem
from core.experiment.fork import Fork, Origin, fork
from core.graph.build import build
from core.network import Network
from core.training.checkpoint import memory_from_bytes
from service.checkpoints import use_cases as checkpoints
from service.checkpoints.errors import CheckpointNotFound
from service.checkpoints.tables import CheckpointRow
from service.forks.errors import ForkNotFound
from service.forks.schemas import Change, ForkPart, ForkReport, ForkRequest
from service.forks.tables import ForkRow
from service.jobs import creation, repository
from service.jobs.errors import JobDoesNotTrain
from service.jobs.ids import JobId
from service.jobs.orders import Bounds
from service.jobs.schemas import JobSpec
from service.jobs.tables import JobPlanRow, JobRow
from service.kit.http.strict_json import Json

_LONGEST_SHOWN = 1000


@dataclass(frozen=True)
class PlannedFork:
    """A fork without mistakes in its request, whose checkpoint has not been looked at."""

    parent_id: JobId
    epoch: int
    before: JobSpec
    planned: creation.PlannedJob
    changes: tuple[Change, ...]


def plan(session: Session, parent_id: JobId, asked: ForkRequest, bounds: Bounds) -> PlannedFork:
    """What the new job is to do; nothing is stored.

    Raises JobNotFound, JobDoesNotTrain, and Invalid with all mistakes.
    """
    parent = repository.find(session, parent_id)
    if parent.kind != "training":
        raise JobDoesNotTrain(job=parent_id, kind=parent.kind)
    row = _find(session, parent, asked)
    was = session.get_one(JobPlanRow, parent_id).spec
    given = asked.changes.model_dump(mode="json", include=asked.changes.model_fields_set)
    try:
        spec = JobSpec.model_validate_json(json.dumps({**was, **given}))
        if spec.kind != "training":
            raise Invalid([Problem("/kind", "a fork trains, as its parent does", allowed=["training"], got=spec.kind)])
        planned = creation.plan(session, spec, bounds)
    except Invalid as error:
        raise _below_changes(error) from error
    before = JobSpec.model_validate_json(json.dumps(was))
    changes = _changes(before, planned.spec)
    origin = f"Goes on from {parent_id}@{row.epoch}."
    experiment = replace(planned.experiment, notes=(*planned.experiment.notes, origin))
    return PlannedFork(parent_id, row.epoch, before, replace(planned, experiment=experiment), changes)


def create(session: Session, asked: PlannedFork, now: datetime) -> tuple[JobRow, ForkReport]:
    """Put the new job into the queue, with a checkpoint of its own that is its parent's.

    Raises JobNotFound, and Invalid for what the checkpoint does not allow.
    """
    # Whoever holds the parent keeps its checkpoints from being dropped.
    parent = repository.hold(session, asked.parent_id)
    row = _find(session, parent, ForkRequest(epoch=asked.epoch))
    origin, best = _origin(session, parent, row, asked.before)
    try:
        forked = fork(origin, asked.planned.experiment, [change.field for change in asked.changes])
        job = creation.create(session, asked.planned, now)
    except Invalid as error:
        raise _below_changes(error) from error
    _begin(session, job, forked, best=best, now=now)
    report = ForkReport(
        **{"from": f"{parent.id}@{row.epoch}"},
        changes=list(asked.changes),
        kept=[ForkPart(what=part.what, reason=part.reason) for part in forked.parts if part.is_kept],
        reset=[ForkPart(what=part.what, reason=part.reason) for part in forked.parts if not part.is_kept],
    )
    stored = report.model_dump(mode="json")
    session.add(ForkRow(job_id=job.id, parent_id=parent.id, epoch=row.epoch, report=stored))
    session.flush()
    return job, report


def read(session: Session, job_id: JobId) -> ForkReport:
    """Where a job has begun. Raises JobNotFound, ForkNotFound."""
    repository.find(session, job_id)
    row = session.get(ForkRow, job_id)
    if row is None:
        raise ForkNotFound(job=job_id)
    return ForkReport.model_validate(row.report)


def start_of(session: Session, job_id: JobId) -> int:
    """The epoch that a job begins after: 0, or that of its parent at which it was forked."""
    row = session.get(ForkRow, job_id)
    return 0 if row is None else row.epoch


def _find(session: Session, parent: JobRow, asked: ForkRequest) -> CheckpointRow:
    """Raises Invalid, naming the epochs that are kept."""
    try:
        return checkpoints.find(session, parent, asked.epoch)
    except CheckpointNotFound as error:
        kept = [row.epoch for row in checkpoints.stored(session, parent)]
        detail = "no checkpoint of this epoch is kept"
        raise Invalid([Problem("/epoch", detail, allowed=kept, got=asked.epoch)]) from error


def _origin(
    session: Session, parent: JobRow, row: CheckpointRow, before: JobSpec
) -> tuple[Origin, CheckpointRow | None]:
    """The run that is left, and the checkpoint of its best epoch up to there."""
    plan = session.get_one(JobPlanRow, parent.id)
    graph = build(Network.model_validate_json(json.dumps(plan.network)))
    prepared = Preparation.model_validate_json(json.dumps(plan.preparation))
    checkpoint = checkpoints.load(session, row)
    _, progress = memory_from_bytes(checkpoint.memory)
    best_epoch = progress["stopping"]["best_epoch"]
    best = None if best_epoch is None else session.get(CheckpointRow, (parent.id, best_epoch + 1))
    named = prepared.named(graph.inputs, graph.targets)
    return Origin(before.experiment_spec(), graph, named, checkpoint, best is not None), best


def _begin(session: Session, job: JobRow, forked: Fork, *, best: CheckpointRow | None, now: datetime) -> None:
    """Bring a new job to where it begins."""
    checkpoint = forked.checkpoint
    job.epoch, job.step, job.best_epoch = checkpoint.epoch, checkpoint.step, forked.best_epoch
    checkpoints.keep(session, job, checkpoint, now)
    if best is not None and best.epoch == forked.best_epoch != checkpoint.epoch:
        checkpoints.keep(session, job, checkpoints.load(session, best), now)


def _changes(before: JobSpec, after: JobSpec) -> tuple[Change, ...]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return tuple(
        Change(field=name, before=_short(old[name]), after=_short(new[name])) for name in new if old[name] != new[name]
    )


def _short(value: Any) -> Json:
    return value if len(json.dumps(value)) <= _LONGEST_SHOWN else None


def _below_changes(error: Invalid) -> Invalid:
    return Invalid(problem.below("/changes") for problem in error.problems)
