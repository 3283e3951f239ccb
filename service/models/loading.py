"""Models made ready to compute, and kept so while there is room."""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from core.arrays import Array, type_of_precision
from core.data.preparation import Preparation
from core.graph.build import build
from core.graph.evaluator import Evaluator
from core.graph.graph import Graph
from core.network import Network
from core.weights import weights_from_bytes
from service.checkpoints.tables import CheckpointRow
from service.jobs.tables import JobPlanRow
from service.kit import blobs
from service.kit.http.strict_json import Json
from service.models import references
from service.models.tables import ModelRow

MOST_BYTES = 512 * 1024 * 1024
"""Parameters kept in memory; the model asked for last is kept whatever its size."""

MOST_MODELS = 64


@dataclass(frozen=True)
class LoadedModel:
    """A model or a checkpoint, ready to compute; safe to be used by several threads at once."""

    label: str
    """Reference of just this model: `mdl_…` or `job_…@12`."""

    graph: Graph
    preparation: Preparation
    parameters: Array
    spec: Mapping[str, Json]
    """How it was trained; its network is the graph's."""

    dataset_id: str
    weights: str
    """SHA-256 of the parameters as safetensors."""

    _evaluators: list[Evaluator] = field(default_factory=list)

    @contextmanager
    def evaluator(self) -> Iterator[Evaluator]:
        """Static plans of this model for the use of one thread; as many exist as were in use at once."""
        try:
            # pop and append of a list are atomic.
            evaluator = self._evaluators.pop()
        except IndexError:
            evaluator = Evaluator(self.graph, self.parameters)
        yield evaluator
        self._evaluators.append(evaluator)


class ModelShelf:
    """The models in use lately. Rows never change, so what is on the shelf is never out of date."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, most_models: int = MOST_MODELS) -> None:
        self._most_bytes, self._most_models = most_bytes, most_models
        self._lock = threading.Lock()
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}

    def get(self, session: Session, reference: str) -> LoadedModel:
        """The model that a reference names now, loaded by only one of the threads that want it.

        Raises ModelNotFound.
        """
        row = references.find(session, reference)
        label = references.label(row)
        with self._lock:
            loading = self._loading.setdefault(label, threading.Lock())
        with loading:
            with self._lock:
                if label in self._models:
                    self._models.move_to_end(label)
                    return self._models[label]
            try:
                model = load(session, row)
                with self._lock:
                    self._put(model)
            finally:
                with self._lock:
                    self._loading.pop(label, None)
        return model

    def _put(self, model: LoadedModel) -> None:
        self._models[model.label] = model
        while len(self._models) > 1 and (len(self._models) > self._most_models or self._bytes() > self._most_bytes):
            self._models.popitem(last=False)

    def _bytes(self) -> int:
        return sum(model.parameters.nbytes for model in self._models.values())


def load(session: Session, row: ModelRow | CheckpointRow) -> LoadedModel:
    """The model of a row, from its description and its weights."""
    if isinstance(row, ModelRow):
        network, preparation, spec, dataset_id = row.network, row.preparation, row.spec, row.dataset_id
    else:
        plan = session.get_one(JobPlanRow, row.job_id)
        network, preparation, spec = plan.network, plan.preparation, plan.spec
        dataset_id = spec["dataset"]
    # As JSON, since a strict model takes a list for a tuple only from there.
    graph = build(Network.model_validate_json(json.dumps(network)))
    prepared = Preparation.model_validate_json(json.dumps(preparation))
    return LoadedModel(
        label=references.label(row),
        graph=graph,
        preparation=prepared.named(graph.inputs, graph.targets),
        parameters=weights_from_bytes(graph, blobs.get(session, row.weights), type_of_precision[str(spec["dtype"])]),
        spec={name: value for name, value in spec.items() if name != "network"},
        dataset_id=dataset_id,
        weights=row.weights,
    )
