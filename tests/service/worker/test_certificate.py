"""The certificate of a finished model: it can be checked again, and says what was left out and why."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from core.arrays import Call
from core.data.rows import ColumnForm, table_from_rows
from core.data.samples import draw_sample
from core.experiment import Experiment, resolve
from core.experiment.spec import ExperimentSpec
from core.graph.initial import initial_parameters
from core.op import Op, Site
from core.ops.dense import Dense
from core.weights import weights_to_bytes
from service.kit.provenance import provenance
from service.models.certificates import Certificate
from service.worker import certificate
from service.worker.certificate import EXTENTS, certify, digest

Json = dict[str, Any]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is certified does not depend on the database."""
    return sqlite_url


def test_a_certificate_is_the_answer_to_a_question_that_can_be_asked_again(client: TestClient, iris: Json) -> None:
    model = client.get("/v1/models/iris").json()
    found = model["certificate"]
    body = {"subject": {"model": model["id"]}, "batch": found["batch"], "seed": found["seed"], "include": ["params"]}
    again = client.post("/v1/inspect/gradient-check", json=body | {"summary": True}).json()
    assert again == {name: found[name] for name in again}
    assert found["passed"] is True and found["reason"] is None
    assert len(found["tensors"]) == 4 and len(found["directions"]) == 3


def test_a_certificate_says_what_was_checked_and_what_checked_it(client: TestClient, iris: Json) -> None:
    model = client.get("/v1/models/iris").json()
    found = model["certificate"]
    assert found["covers"] == "every tensor"
    assert found["batch"] == {"split": "training", "rows": [0, 16]}
    assert found["seed"] == model["spec"]["seed"]
    weights = client.get("/v1/models/iris/export?format=safetensors").content
    assert found["digests"]["weights_sha256"] == model["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    dataset = client.get(f"/v1/datasets/{iris['dataset']}").json()
    assert found["digests"]["dataset_sha256"] == dataset["sha256"]
    assert found["provenance"] == provenance().model_dump(mode="json")


def an_experiment(layers: Sequence[Json] | None = None, **fields: Any) -> Experiment:
    network = {"layers": layers or [{"op": "dense", "units": 3}, {"op": "tanh"}, {"op": "dense"}]}
    spec = ExperimentSpec.model_validate({"target": "class", "network": network, "epochs": 1} | fields)
    return resolve(spec, draw_sample("circles", rows=40))


def certified(experiment: Experiment, scale: float = 1.0) -> Certificate:
    """The certificate of weights as they are drawn."""
    parameters = initial_parameters(experiment.graph, 0, np.float64) * scale
    return certify(experiment, weights_to_bytes(experiment.graph, parameters), dataset_sha256="0" * 64)


def test_other_rows_or_other_numbers_have_another_digest() -> None:
    training = an_experiment().training
    some, others = training.take(np.arange(4)), training.take(np.arange(1, 5))
    assert digest(some) == digest(training.take(np.arange(4)))
    assert len({digest(some), digest(others), digest(training.take(np.array([1, 0, 2, 3])))}) == 3


@pytest.mark.parametrize(
    ("extent", "covers", "rows", "directions"),
    [
        (0, "every tensor", 16, 3),
        (1, "every tensor", 4, 3),
        (2, "all parameters together", 16, 3),
        (3, "all parameters together", 2, 3),
        (4, "all parameters together", 1, 1),
    ],
)
def test_of_a_large_network_less_is_checked_rather_than_nothing(
    monkeypatch: pytest.MonkeyPatch, extent: int, covers: str, rows: int, directions: int
) -> None:
    """Every extent is taken where it is just affordable, so that what is above it is not."""
    experiment = an_experiment([{"op": "dense", "units": 200}, {"op": "tanh"}, {"op": "dense"}])
    monkeypatch.setattr(certificate, "MOST_OPERATIONS", EXTENTS[extent].operations(experiment.graph))
    found = certified(experiment)
    assert found.passed
    assert found.batch is not None and found.batch.rows == [0, rows]
    assert (found.covers, len(found.directions)) == (covers, directions)
    assert len(found.tensors) == (4 if covers == "every tensor" else 0)


def test_a_check_of_all_parameters_together_sees_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Dense.backward

    def backward(self: Op, site: Site) -> Sequence[Call]:
        bias = site.dparams["b"]
        assert isinstance(self, Dense) and bias is not None
        return [*right(self, site), lambda: np.negative(bias, bias)]

    monkeypatch.setattr(certificate, "MOST_OPERATIONS", 1e7)
    monkeypatch.setattr(Dense, "backward", backward)
    assert certified(an_experiment()).passed is False


def test_where_nothing_can_be_checked_the_certificate_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert certified(an_experiment([{"op": "tanh"}])).reason == "the network has no parameters"
    linear = an_experiment([{"op": "dense", "units": 3}, {"op": "dense"}])
    assert "is not finite" in str(certified(linear, scale=1e200).reason)
    monkeypatch.setattr(certificate, "MOST_OPERATIONS", 1e3)
    assert "takes longer" in str(certified(an_experiment()).reason)
    monkeypatch.setattr(certificate, "LARGEST_CERTIFIED", 10)
    found = certified(an_experiment())
    assert "17 parameters" in str(found.reason) and "memory" in str(found.reason)
    assert found.passed is None and found.tensors == [] and found.digests is None


def test_where_many_examples_meet_kinks_fewer_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """An example that is 0 lies on the corner of every rectifier before it has learned a bias."""
    rows = [{"x": 0.0 if row % 4 == 2 else 1.0 + row, "y": float(row)} for row in range(40)]
    table = table_from_rows(rows, [ColumnForm("x", "number"), ColumnForm("y", "number")])
    network = {"layers": [{"op": "dense", "units": 3}, {"op": "relu"}, {"op": "dense"}]}
    fields = {"target": "y", "network": network, "preparation": "none", "epochs": 1, "split": {"validation": 0}}
    experiment = resolve(ExperimentSpec.model_validate(fields), table)
    assert (experiment.training.inputs["x"][:16] == 0).any() and (experiment.training.inputs["x"][:2] != 0).all()
    monkeypatch.setattr(certificate, "MOST_OPERATIONS", EXTENTS[2].operations(experiment.graph))
    found = certified(experiment)
    assert found.passed and found.batch is not None and found.batch.rows == [0, 2]
    monkeypatch.setattr(certificate, "EXTENTS", EXTENTS[2:3])
    found = certified(experiment)
    assert found.passed is None and found.reason == "every direction that was tried crosses a kink"
    assert [kink.name for kink in found.kinks] == ["relu_1"]
