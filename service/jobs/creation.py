"""How a request becomes a job that waits in the queue."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from core.errors import Invalid, Problem, pointer
from core.experiment import Experiment, resolve
from core.graph.written import network_json, written_out
from service.datasets.ids import DatasetId
from service.datasets.tables import DatasetRow
from service.datasets.use_cases import load_table
from service.jobs.ids import JOB_IDS
from service.jobs.journal import record_state
from service.jobs.schemas import JobSpec, LimitsSpec
from service.jobs.states import JobState
from service.jobs.tables import JobPlanRow, JobRow
from service.kit.http.strict_json import Json

_SHARED = {"read": True, "key_share": True}
_ONLY_FOR_TRAINING = ["epochs", "schedule", "early_stopping", "statistics", "checkpoints"]


@dataclass(frozen=True)
class Bounds:
    """What this server allows one job."""

    parameters: int
    seconds: float
    memory_mb: int


@dataclass(frozen=True)
class PlannedJob:
    """A request without mistakes, and everything that follows from it."""

    spec: JobSpec
    experiment: Experiment


def plan(session: Session, asked: JobSpec, bounds: Bounds) -> PlannedJob:
    """Check a request and decide everything it leaves open; nothing is stored.

    Raises Invalid with all its mistakes.
    """
    problems = [*_unfit(asked), *_beyond(asked.limits, bounds), *_missing(session, asked)]
    # Without the columns nothing can be said about the rest of the request.
    if any(problem.pointer in _datasets(asked) for problem in problems):
        raise Invalid(problems)
    try:
        experiment = resolve_for(session, asked, bounds.parameters)
    except Invalid as error:
        raise Invalid([*problems, *error.problems]) from error
    if problems:
        raise Invalid(problems)
    decided = {
        **{name: getattr(experiment.spec, name) for name in type(experiment.spec).model_fields},
        "name": asked.name or session.get_one(DatasetRow, asked.dataset).name,
        "limits": LimitsSpec(
            seconds=asked.limits.seconds or bounds.seconds, memory_mb=asked.limits.memory_mb or bounds.memory_mb
        ),
    }
    return PlannedJob(asked.model_copy(update=decided), experiment)


def create(session: Session, planned: PlannedJob, now: datetime) -> JobRow:
    """Put a planned job into the queue.

    Raises Invalid when its data set has been deleted since it was planned.
    """
    spec, experiment = planned.spec, planned.experiment
    if problems := _missing(session, spec, lock=True):
        raise Invalid(problems)
    job = JobRow(
        id=JOB_IDS.new(),
        kind=spec.kind,
        name=spec.name,
        dataset_id=spec.dataset,
        validation_dataset_id=spec.split.validation_dataset,
        labels=spec.labels,
        priority=spec.priority,
        state=JobState.QUEUED,
        created_at=now,
        limit_seconds=spec.limits.seconds,
        limit_memory_mb=spec.limits.memory_mb,
        epochs=spec.epochs if spec.learning_rate_range is None else spec.learning_rate_range.steps,
        attempt=0,
        last_event=0,
    )
    session.add(job)
    session.flush()
    session.add(
        JobPlanRow(
            job_id=job.id,
            spec=_as_request(spec),
            notes=list(experiment.notes),
            network=network_json(written_out(experiment.graph, with_params=False)),
            preparation=experiment.preparation.model_dump(mode="json"),
        )
    )
    record_state(session, job, now=now)
    session.flush()
    return job


def resolve_for(session: Session, spec: JobSpec, max_parameters: int) -> Experiment:
    """The experiment of a job, from the data sets as they are stored; the same every time. Raises Invalid."""
    validation = spec.split.validation_dataset
    return resolve(
        spec.experiment_spec(),
        load_table(session, DatasetId(spec.dataset)),
        validation_table=None if validation is None else load_table(session, DatasetId(validation)),
        max_parameters=max_parameters,
    )


def _unfit(asked: JobSpec) -> list[Problem]:
    """What was asked for that only jobs of the other kind have."""
    detail, names = (
        ("is only for jobs of the kind learning_rate_range", ["learning_rate_range"])
        if asked.kind == "training"
        else ("is only for jobs that train: a range test has rates and a length of its own", _ONLY_FOR_TRAINING)
    )
    given = [name for name in names if name in asked.model_fields_set and getattr(asked, name) is not None]
    return [Problem(pointer(name), detail) for name in given]


def _beyond(limits: LimitsSpec, bounds: Bounds) -> list[Problem]:
    asked = (("seconds", limits.seconds, bounds.seconds), ("memory_mb", limits.memory_mb, bounds.memory_mb))
    return [
        Problem(f"/limits/{name}", f"this server allows at most {most:g}", got=value)
        for name, value, most in asked
        if value is not None and value > most
    ]


def _datasets(spec: JobSpec) -> dict[str, str]:
    """The data sets that a job reads, by where they are named."""
    named = {"/dataset": spec.dataset, "/split/validation_dataset": spec.split.validation_dataset}
    return {place: dataset for place, dataset in named.items() if dataset is not None}


def _missing(session: Session, spec: JobSpec, *, lock: bool = False) -> list[Problem]:
    """The data sets that are not there; with `lock`, the others cannot be deleted before the transaction ends."""
    return [
        Problem(place, "there is no data set with this id", got=dataset)
        for place, dataset in _datasets(spec).items()
        if session.get(DatasetRow, dataset, with_for_update=_SHARED if lock else None) is None
    ]


def _as_request(spec: JobSpec) -> dict[str, Json]:
    """The spec as one would write it: kind, name, data set and target first."""
    members = spec.model_dump(mode="json")
    first = {name: members.pop(name) for name in ("kind", "name", "dataset", "target")}
    if spec.kind == "learning_rate_range":
        del members["checkpoints"], members["statistics"]
    return first | members
