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
from service.jobs.orders import Bounds, Order, enqueue, missing
from service.jobs.schemas import JobSpec, LimitsSpec
from service.jobs.tables import JobRow
from service.kit.http.strict_json import Json

_ONLY_FOR_TRAINING = ["epochs", "schedule", "early_stopping", "statistics", "checkpoints"]


@dataclass(frozen=True)
class PlannedJob:
    """A request without mistakes, and everything that follows from it."""

    spec: JobSpec
    experiment: Experiment


def plan(session: Session, asked: JobSpec, bounds: Bounds) -> PlannedJob:
    """Check a request and decide everything it leaves open; nothing is stored.

    Raises Invalid with all its mistakes.
    """
    problems = [*_unfit(asked), *_beyond(asked.limits, bounds), *missing(session, _datasets(asked))]
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
    if problems := missing(session, _datasets(spec), lock=True):
        raise Invalid(problems)
    limits, epochs = spec.limits, spec.epochs if spec.learning_rate_range is None else spec.learning_rate_range.steps
    assert spec.name is not None and epochs is not None, "a planned job has nothing left open"
    assert limits.seconds is not None and limits.memory_mb is not None
    order = Order(
        kind=spec.kind,
        name=spec.name,
        spec=_as_request(spec),
        limit_seconds=limits.seconds,
        limit_memory_mb=limits.memory_mb,
        epochs=epochs,
        dataset=spec.dataset,
        validation_dataset=spec.split.validation_dataset,
        labels=spec.labels,
        priority=spec.priority,
        notes=experiment.notes,
        network=network_json(written_out(experiment.graph, with_params=False)),
        preparation=experiment.preparation.model_dump(mode="json"),
    )
    return enqueue(session, order, now)


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


def _as_request(spec: JobSpec) -> dict[str, Json]:
    """The spec as one would write it: kind, name, data set and target first."""
    members = spec.model_dump(mode="json")
    first = {name: members.pop(name) for name in ("kind", "name", "dataset", "target")}
    if spec.kind == "learning_rate_range":
        del members["checkpoints"], members["statistics"]
    return first | members
