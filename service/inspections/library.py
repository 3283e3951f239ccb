"""The models of the service and how they were trained, where the core's questions look for them."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.arrays import Array, type_of_precision
from core.errors import Invalid, Problem
from core.experiment import Experiment
from core.inspection.question import History, Trained
from core.weights import weights_from_bytes
from service.checkpoints import use_cases as checkpoints
from service.checkpoints.tables import CheckpointRow
from service.datasets.errors import DatasetNotFound
from service.epochs.tables import EpochRow
from service.jobs.creation import resolve_for
from service.jobs.schemas import JobSpec
from service.jobs.tables import JobPlanRow, JobRow
from service.kit.database import Database
from service.models import references
from service.models.errors import ModelNotFound
from service.models.loading import ModelShelf
from service.models.tables import ModelRow


class StoredModels:
    """Finds models by their references, each in a session of its own; for one question."""

    def __init__(self, database: Database, shelf: ModelShelf, max_parameters: int) -> None:
        self._database, self._shelf, self._max_parameters = database, shelf, max_parameters
        self._histories: dict[str, History] = {}

    def model(self, reference: str) -> Trained:
        """The model that a reference names. Raises Invalid at `/subject/model`."""
        with self._database.reading() as session, named(reference):
            found = self._shelf.get(session, reference)
        return Trained(found.graph, found.parameters, found.preparation)

    def history(self, reference: str) -> History:
        """How it was trained; read once a question. Raises Invalid at `/subject/model`."""
        if reference not in self._histories:
            with self._database.reading() as session, named(reference):
                self._histories[reference] = self._history(session, references.find(session, reference))
        return self._histories[reference]

    def _history(self, session: Session, row: ModelRow | CheckpointRow) -> History:
        spec = JobSpec.model_validate_json(json.dumps(_spec_of(session, row)))
        experiment = resolve_for(session, spec, self._max_parameters)
        # Of a model whose job is deleted there are no checkpoints and no curves.
        job = session.get(JobRow, row.job_id)
        stored = [] if job is None else checkpoints.stored(session, job)
        epochs = session.scalars(select(EpochRow).where(EpochRow.job_id == row.job_id))
        return History(
            experiment=experiment,
            epoch=row.epoch if isinstance(row, CheckpointRow) else None,
            checkpoints={one.epoch: self._parameters(experiment, one) for one in stored},
            learning_rates={one.epoch: one.learning_rate for one in epochs},
        )

    def _parameters(self, experiment: Experiment, row: CheckpointRow) -> Callable[[], Array]:
        return partial(self._read, experiment, row.job_id, row.epoch)

    def _read(self, experiment: Experiment, job_id: str, epoch: int) -> Array:
        with self._database.reading() as session:
            row = session.get_one(CheckpointRow, (job_id, epoch))
            weights = checkpoints.load(session, row).weights
        return weights_from_bytes(experiment.graph, weights, type_of_precision[experiment.spec.dtype])


def _spec_of(session: Session, row: ModelRow | CheckpointRow) -> Mapping[str, Any]:
    """What was asked of the job; where that is deleted, what the model has kept of it."""
    plan = session.get(JobPlanRow, row.job_id)
    if plan is not None:
        return plan.spec
    assert isinstance(row, ModelRow)
    # The network of a model holds the loss and the penalties of its job.
    return {**row.spec, "network": row.network, "dataset": row.dataset_id, "loss": None, "penalties": []}


@contextmanager
def named(reference: str) -> Iterator[None]:
    """Whatever is not there is said of the reference that named it."""
    try:
        yield
    except ModelNotFound as error:
        raise Invalid([Problem("/subject/model", error.detail, got=reference)]) from error
    except DatasetNotFound as error:
        detail = "the data set that this model has learned from is deleted"
        raise Invalid([Problem("/subject/model", detail, got=reference)]) from error
