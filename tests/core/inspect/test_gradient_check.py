"""The gradient check: it passes what is right, sees what is wrong, and knows what it cannot judge."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from core.arrays import Call
from core.errors import Invalid
from core.graph.build import build
from core.graph.evaluator import Evaluator
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.inspect.gradient_check import GradientCheck, GradientCheckAnswer, check
from core.inspection.batch import Posed
from core.inspection.question import Library
from core.network import Network
from core.op import Op, Site
from core.ops.batch_norm import BatchNorm
from core.ops.dense import Dense
from core.ops.embedding import Embedding
from core.ops.tanh import Tanh
from core.training.examples import Examples
from tests.reference_networks import Case, cases, request_of


def ask(body: dict[str, Any], library: Library) -> GradientCheckAnswer:
    return GradientCheck.model_validate_json(json.dumps(body)).answer(library)


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["name"]))
def test_the_gradients_of_the_reference_networks_pass(case: Case, library: Library) -> None:
    answer = ask(request_of(case), library)
    assert answer.passed
    assert answer.max_relative_error is not None and answer.max_relative_error <= 1e-6
    assert len(answer.directions) == 3
    graph = build(Network.model_validate(request_of(case)["subject"]["network"]))
    assert [(tensor.node, tensor.param) for tensor in answer.tensors] == [(p.node, p.name) for p in graph.layout]


def a_question(op: Callable[[Op], Op] = lambda op: op) -> Posed:
    """Six examples through dense, tanh, dense, sigmoid, dense; ops can be exchanged for others."""
    layers = [
        {"op": "dense", "id": "first", "units": 4},
        {"op": "tanh", "id": "tanh"},
        {"op": "dense", "id": "second", "units": 4},
        {"op": "sigmoid", "id": "sigmoid"},
        {"op": "dense", "id": "last", "units": 2},
    ]
    graph = build(
        Network.model_validate(
            {"inputs": {"x": {"shape": [3]}}, "layers": layers, "losses": [{"kind": "mse"}]}
            | {"penalties": [{"kind": "l2", "strength": 0.3}]}
        )
    )
    graph = _exchanged(graph, op)
    generator = np.random.default_rng(5)
    examples = Examples({"x": generator.normal(size=(6, 3))}, {"y": generator.normal(size=(6, 2))})
    return Posed(graph, initial_parameters(graph, 3, np.float64), examples, training=False, seed=0)


def _exchanged(graph: Graph, op: Callable[[Op], Op]) -> Graph:
    return dataclasses.replace(graph, nodes=tuple(dataclasses.replace(node, op=op(node.op)) for node in graph.nodes))


def _as(kind: type[Op]) -> Callable[[Op], Op]:
    """Exchanges ops of the kind's own parent for the kind."""
    parent = kind.__bases__[0]
    return lambda op: kind.model_construct(**dict(op)) if type(op) is parent else op


class FlippedBias(Dense):
    """The gradient of b has the wrong sign."""

    def backward(self, site: Site) -> Sequence[Call]:
        bias = site.dparams["b"]
        assert bias is not None
        return [*super().backward(site), lambda: np.negative(bias, bias)]


class OneWrongEntry(Dense):
    """One entry of the gradient of W is 1 % too large."""

    def backward(self, site: Site) -> Sequence[Call]:
        weights = site.dparams["W"]
        assert weights is not None
        return [*super().backward(site), lambda: weights.__setitem__((0, 1), weights[0, 1] * 1.01)]


def test_one_wrong_entry_among_thousands_is_found() -> None:
    graph = build(
        Network.model_validate(
            {
                "inputs": {"x": {"shape": [50]}},
                "layers": [{"op": "dense", "units": 80}],
                "losses": [{"kind": "log_cosh"}],
            }
        )
    )
    generator = np.random.default_rng(0)
    examples = Examples({"x": generator.normal(size=(4, 50))}, {"y": generator.normal(size=(4, 80))})
    graph = _exchanged(graph, _as(OneWrongEntry))
    answer = check(Posed(graph, initial_parameters(graph, 0, np.float64), examples, training=False, seed=0))
    weights = next(tensor for tensor in answer.tensors if tensor.param == "W")
    assert weights.worst[0].index == [0, 1]
    assert weights.worst[0].relative_error == pytest.approx(0.01 / 1.01, rel=1e-6)


class NoGradient(Tanh):
    """Its gradient is no number."""

    def backward(self, site: Site) -> Sequence[Call]:
        dx = site.dx[0]
        assert dx is not None
        return [lambda: dx.fill(np.nan)]


def test_a_gradient_that_is_no_number_fails() -> None:
    answer = check(a_question(_as(NoGradient)))
    assert not answer.passed
    assert answer.max_relative_error == 1
    assert answer.directions[0].analytic is None
    assert json.loads(answer.model_dump_json())["tensors"][0]["worst"][0]["analytic"] is None


def test_tensors_without_a_fault_pass_beside_one_that_fails() -> None:
    answer = check(a_question(_as(FlippedBias)), lists_entries=False)
    errors = {(tensor.node, tensor.param): tensor.relative_error for tensor in answer.tensors}
    assert all((error or 0) > 1e-6 for (_, name), error in errors.items() if name == "b")
    assert all((error or 0) <= 1e-6 for (_, name), error in errors.items() if name == "W")


def test_a_gradient_that_is_exactly_zero_passes(library: Library) -> None:
    """All units of the hidden layer are off, so nothing before them matters; softmax ignores a common shift."""
    network = {
        "layers": [
            {"op": "dense", "id": "off", "params": {"W": [[1.0, 1.0]], "b": [-50.0, -60.0]}},
            {"op": "relu", "id": "relu"},
            {"op": "dense", "id": "out", "params": {"W": [[1.0, 0.5], [0.3, 2.0]], "b": [0.1, 0.2]}},
        ],
        "losses": [{"kind": "cross_entropy"}],
    }
    body = {"subject": {"network": network}, "inputs": {"x": [[1.0], [2.0]]}, "targets": {"y": [0, 1]}}
    answer = ask(body, library)
    assert answer.passed
    assert {(tensor.node, tensor.relative_error) for tensor in answer.tensors if tensor.node == "off"} == {("off", 0.0)}


def a_random_network(seed: int) -> Posed:
    """Activations, widths and scales drawn by the seed; every other one fits its targets to the last digit."""
    generator = np.random.default_rng(seed)
    names = ["relu", "tanh", "sigmoid", "gelu", "elu", "leaky_relu", "hardswish", "selu", "softsign", "log_sigmoid"]
    layers: list[dict[str, Any]] = []
    for name in generator.choice(names, generator.integers(1, 6)).tolist():
        layers += [{"op": "dense", "units": int(generator.integers(1, 20))}, {"op": name}]
    loss = str(generator.choice(["mse", "huber", "log_cosh", "half_sse"]))
    network = {"inputs": {"x": {"shape": [3]}}, "layers": [*layers, {"op": "dense", "units": 2}]}
    graph = build(Network.model_validate(network | {"losses": [{"kind": loss}]}))
    parameters = initial_parameters(graph, seed, np.float64) * 10.0 ** generator.uniform(-1, 1)
    x = generator.normal(size=(5, 3)) * 10.0 ** generator.uniform(-2, 2)
    y = Evaluator(graph, parameters).outputs({"x": x}) if seed % 2 else generator.normal(size=(5, 2))
    return Posed(graph, parameters, Examples({"x": x}, {"y": y}), training=False, seed=seed)


def test_no_right_gradient_fails_not_even_where_nothing_but_rounding_is_left_of_it() -> None:
    failed = [seed for seed in range(10) if not check(a_random_network(seed), lists_entries=False).passed]
    assert failed == []


def test_a_direction_across_a_kink_is_reported_apart(library: Library) -> None:
    """The input of the rectifier is exactly 0: there is no derivative, only a convention."""
    network = {
        "layers": [
            {"op": "dense", "id": "d", "params": {"W": [[1.0]], "b": [0.0]}},
            {"op": "relu", "id": "kinked"},
            {"op": "dense", "id": "out", "params": {"W": [[1.0]], "b": [1.0]}},
        ],
        "losses": [{"kind": "mse"}],
    }
    body = {"subject": {"network": network}, "inputs": {"x": [[0.0]]}, "targets": {"y": [[0.0]]}}
    answer = ask(body, library)
    assert [kink.name for kink in answer.kinks] == ["kinked"]
    judged = {(tensor.node, tensor.param): tensor.relative_error for tensor in answer.tensors}
    assert judged["d", "b"] is None
    assert judged["out", "b"] is not None
    assert answer.passed


def test_losses_have_kinks_too(library: Library) -> None:
    """The absolute error has no slope where the output hits the target."""
    network = {
        "layers": [{"op": "dense", "id": "d", "params": {"W": [[2.0]], "b": [1.0]}}],
        "losses": [{"kind": "mae"}],
    }
    answer = ask({"subject": {"network": network}, "inputs": {"x": [[1.0]]}, "targets": {"y": [[3.0]]}}, library)
    assert [kink.name for kink in answer.kinks] == ["mae of d"]
    assert not answer.passed
    assert answer.max_relative_error is None


def test_kinks_that_a_smaller_step_avoids_do_not_matter(library: Library) -> None:
    """Some of 3,000 pre-activations lie within the first steps of every direction."""
    generator = np.random.default_rng(0)
    network = {
        "inputs": {"x": {"shape": [10]}},
        "layers": [{"op": "dense", "units": 100}, {"op": "relu"}, {"op": "dense", "units": 1}],
        "losses": [{"kind": "mse"}],
    }
    inputs, targets = generator.normal(size=(30, 10)), generator.normal(size=(30, 1))
    body = {"subject": {"network": network}, "inputs": {"x": inputs.tolist()}, "targets": {"y": targets.tolist()}}
    answer = ask(body, library)
    assert answer.passed
    assert answer.max_relative_error is not None and answer.max_relative_error < 1e-7


def test_a_check_needs_targets_and_a_finite_loss(library: Library) -> None:
    network = {
        "layers": [{"op": "dense", "id": "d", "params": {"W": [[1.0]], "b": [0.0]}}],
        "losses": [{"kind": "mse"}],
    }
    body: dict[str, Any] = {"subject": {"network": network}, "inputs": {"x": [[1e300]]}}
    with pytest.raises(Invalid, match="targets"):
        ask(body, library)
    with pytest.raises(Invalid, match="not finite"):
        ask(body | {"targets": {"y": [[-1e300]]}}, library)


def test_a_check_that_nobody_would_wait_for_is_refused(library: Library) -> None:
    many = {"layers": [{"op": "dense", "units": 1}] * 1000, "losses": [{"kind": "mse"}]}
    with pytest.raises(Invalid, match="too many tensors"):
        ask({"subject": {"network": many}, "inputs": {"x": [[1.0]]}, "targets": {"y": [[1.0]]}}, library)
    wide = {"layers": [{"op": "dense", "units": 1000}, {"op": "dense", "units": 1000}], "losses": [{"kind": "mse"}]}
    inputs, targets = [[0.0] * 1000] * 500, [[0.0] * 1000] * 500
    with pytest.raises(Invalid, match="would do"):
        ask({"subject": {"network": wide}, "inputs": {"x": inputs}, "targets": {"y": targets}}, library)


def test_only_what_is_included_is_checked(library: Library) -> None:
    body = request_of(cases()[0])
    assert ask(body | {"include": ["inputs"]}, library).tensors == []
    assert ask(body | {"include": ["params", "values"]}, library).inputs == []
    with pytest.raises(Invalid):
        ask(body | {"include": ["values"]}, library)


def test_a_check_is_repeatable() -> None:
    assert check(a_question()) == check(a_question())


def a_question_about_words(op: Callable[[Op], Op] = lambda op: op, *, training: bool = True) -> Posed:
    """Six pairs of words, some of them the padding 0, through a table, batch norm and a dense layer."""
    layers = [
        {"op": "embedding", "vocabulary": 4, "dim": 3, "padding_idx": 0, "params": {"table": TABLE}},
        {"op": "flatten"},
        {"op": "batch_norm"},
        {"op": "dense", "units": 2},
    ]
    inputs = {"x": {"shape": [2], "dtype": "int"}}
    graph = build(Network.model_validate({"inputs": inputs, "layers": layers, "losses": [{"kind": "mse"}]}))
    graph = dataclasses.replace(graph, nodes=tuple(dataclasses.replace(node, op=op(node.op)) for node in graph.nodes))
    generator = np.random.default_rng(1)
    examples = Examples({"x": generator.integers(0, 4, (6, 2))}, {"y": generator.normal(size=(6, 2))})
    return Posed(graph, initial_parameters(graph, 0, np.float64), examples, training=training, seed=0)


TABLE = np.random.default_rng(2).normal(size=(4, 3))
"""With a row of padding that is not 0: the loss depends on it, and still it has no gradient."""


@pytest.mark.parametrize("training", [True, False])
def test_the_check_goes_through_integers_and_leaves_the_row_of_padding_alone(training: bool) -> None:
    posed = a_question_about_words(training=training)
    before = posed.parameters.copy()
    answer = check(posed)
    assert answer.passed and answer.inputs == []
    np.testing.assert_array_equal(posed.parameters, before)


class ForgetfulEmbedding(Embedding):
    """A number that stands twice counts once: the later place overwrites the earlier."""

    def backward(self, site: Site) -> Sequence[Call]:
        def overwrite() -> None:
            (dtable,), dy = site.dparams.values(), site.dy
            assert dtable is not None and dy is not None
            dtable.fill(0.0)
            dtable[site.x[0]] = np.moveaxis(dy, -2, -1)
            dtable[0] = 0.0

        return [overwrite]


def test_a_table_whose_gradients_do_not_add_up_fails_and_its_rows_are_listed() -> None:
    posed = a_question_about_words(
        lambda op: ForgetfulEmbedding.model_validate(op.model_dump()) if isinstance(op, Embedding) else op
    )
    answer = check(posed)
    assert not answer.passed
    worst = next(found.worst for found in answer.tensors if found.param == "table")
    assert worst and 0 not in {entry.index[0] for entry in worst}
    json.loads(answer.model_dump_json())


class BatchNormWithAFixedMean(BatchNorm):
    """In the backward pass mean and variance are taken for constants."""

    def backward(self, site: Site) -> Sequence[Call]:
        site.training, before = False, site.training
        calls = super().backward(site)
        site.training = before
        return calls


def test_a_batch_norm_that_forgets_that_its_mean_moves_is_seen() -> None:
    posed = a_question_about_words(
        lambda op: BatchNormWithAFixedMean.model_validate(op.model_dump()) if isinstance(op, BatchNorm) else op
    )
    assert not check(posed).passed
