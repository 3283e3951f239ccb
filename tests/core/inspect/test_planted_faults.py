"""Faults planted in the backward passes of the registered ops, losses and penalties: the gradient check sees each."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from core.arrays import Array, Call
from core.inspect.gradient_check import TOLERANCE, GradientCheck, GradientCheckAnswer
from core.inspect.gradients import Gradients
from core.inspection.question import Library
from core.loss import LossSite
from core.losses import LOSSES
from core.op import Op, Site
from core.ops import OPS
from core.penalties import Penalty

Body = dict[str, Any]
Tensors = dict[tuple[str, str], Array]


def drawn(*shape: int) -> Any:
    """Normal numbers, the same for the same shape."""
    return np.random.default_rng(shape).normal(size=shape).tolist()


def of_numbers() -> Body:
    """Six examples through dense, tanh, square dense, sigmoid, dense, with penalties on two tensors."""
    layers = [
        {"op": "dense", "id": "first", "units": 3},
        {"op": "tanh"},
        {"op": "dense", "id": "square", "units": 3},
        {"op": "sigmoid"},
        {"op": "dense", "id": "last", "units": 2},
    ]
    penalties = [
        {"kind": "l2", "strength": 0.3, "params": ["square.W"]},
        {"kind": "l1", "strength": 0.2, "params": ["last.W"]},
    ]
    network = {"layers": layers, "losses": [{"kind": "mse"}], "penalties": penalties}
    return {"subject": {"network": network}, "inputs": {"x": drawn(6, 2)}, "targets": {"y": drawn(6, 2)}, "seed": 3}


def of_images() -> Body:
    """Three images through a convolution, softplus, a pool of maxima and dense, into classes."""
    layers = [
        {"op": "conv2d", "id": "conv", "filters": 2, "kernel": 3},
        {"op": "softplus"},
        {"op": "max_pool2d", "kernel": 2},
        {"op": "flatten"},
        {"op": "dense", "id": "last", "units": 3},
    ]
    network = {"layers": layers, "losses": [{"kind": "cross_entropy"}]}
    return {"subject": {"network": network}, "inputs": {"x": drawn(3, 1, 4, 4)}, "targets": {"y": [0, 2, 1]}}


def of_words() -> Body:
    """Four texts of three words, some of them twice, through a table and a recurrent layer."""
    layers = [
        {"op": "embedding", "id": "words", "vocabulary": 4, "dim": 2},
        {"op": "rnn", "id": "rnn", "units": 3},
        {"op": "select", "axis": 1, "index": -1},
        {"op": "dense", "id": "last", "units": 1},
    ]
    network = {"inputs": {"x": {"shape": [3], "dtype": "int"}}, "layers": layers, "losses": [{"kind": "huber"}]}
    ids = [[0, 1, 1], [2, 3, 0], [3, 3, 2], [1, 0, 2]]
    return {"subject": {"network": network}, "inputs": {"x": ids}, "targets": {"y": drawn(4, 1)}}


NETWORKS = [of_numbers, of_images, of_words]


def check(body: Body, library: Library) -> GradientCheckAnswer:
    return GradientCheck.model_validate_json(json.dumps(body)).answer(library)


def gradients(body: Body, library: Library) -> Tensors:
    """What back-propagation says of every parameter."""
    answer = Gradients.model_validate_json(json.dumps(body | {"include": ["params"]})).answer(library)
    params = answer.gradients.params or {}
    return {
        (node, name): array
        for node, tensors in params.items()
        for name, array in tensors.items()
        if isinstance(array, np.ndarray)
    }


Plant = Callable[[pytest.MonkeyPatch], None]


def after_op(op: str, change: Callable[[Site], None]) -> Plant:
    """Lets the op's own backward pass be followed by a change of what it has written."""
    kind = OPS[op]
    right = kind.backward

    def backward(self: Op, site: Site) -> Sequence[Call]:
        return [*right(self, site), lambda: change(site)]

    return lambda patch: patch.setattr(kind, "backward", backward)


def after_loss(loss: str, change: Callable[[LossSite], None]) -> Plant:
    kind = LOSSES[loss]
    right = kind.backward

    def backward(self: Any, site: LossSite) -> Sequence[Call]:
        return [*right(self, site), lambda: change(site)]

    return lambda patch: patch.setattr(kind, "backward", backward)


def sum_for_mean(count: Callable[[LossSite], int]) -> Callable[[LossSite], None]:
    def change(site: LossSite) -> None:
        assert site.dy is not None
        site.dy *= count(site)

    return change


def missing_slope(site: Site) -> None:
    dx = site.dx[0]
    assert dx is not None and site.dy is not None
    dx[...] = site.dy


def steep_by(factor: float) -> Callable[[Site], None]:
    def change(site: Site) -> None:
        for gradient in (*site.dx, *site.dparams.values()):
            if gradient is not None:
                np.multiply(gradient, factor, gradient)

    return change


def changed(param: str, change: Callable[[Array], Array]) -> Callable[[Site], None]:
    """Writes something else into the gradient of a parameter."""

    def write(site: Site) -> None:
        gradient = site.dparams[param]
        assert gradient is not None
        gradient[...] = change(gradient.copy())

    return write


def one_entry(*index: int) -> Callable[[Array], Array]:
    def change(gradient: Array) -> Array:
        gradient[index] *= 1.01
        return gradient

    return change


def transposed(gradient: Array) -> Array:
    return gradient.T if gradient.shape[0] == gradient.shape[1] else gradient


def dropped_sample(op: str) -> Plant:
    """The op's backward pass, without the last example."""
    kind = OPS[op]
    right = kind.backward

    def backward(self: Op, site: Site) -> Sequence[Call]:
        dy = site.dy
        assert dy is not None
        whole = dy.copy()

        def drop() -> None:
            whole[...] = dy
            dy[..., -1] = 0.0

        return [drop, *right(self, site), lambda: np.copyto(dy, whole)]

    return lambda patch: patch.setattr(kind, "backward", backward)


def doubled_penalty(patch: pytest.MonkeyPatch) -> None:
    right = Penalty.gradient

    def gradient(self: Penalty, weights: Array, out: Array) -> Sequence[Call]:
        return [*right(self, weights, out), *right(self, weights, out)]

    patch.setattr(Penalty, "gradient", gradient)


@dataclass(frozen=True)
class Fault:
    """A mistake in one backward pass, and the network that shows it."""

    name: str
    network: Callable[[], Body]
    plant: Plant


FAULTS = [
    Fault("sum for mean in mse", of_numbers, after_loss("mse", sum_for_mean(lambda site: site.y.size))),
    Fault(
        "sum for mean in cross_entropy", of_images, after_loss("cross_entropy", sum_for_mean(lambda s: s.y.shape[-1]))
    ),
    Fault("missing slope of tanh", of_numbers, after_op("tanh", missing_slope)),
    Fault("doubled penalty", of_numbers, doubled_penalty),
    Fault("bias sign of dense", of_numbers, after_op("dense", changed("b", np.negative))),
    Fault("bias sign of conv2d", of_images, after_op("conv2d", changed("b", np.negative))),
    Fault("one entry of dense wrong by 1 %", of_numbers, after_op("dense", changed("W", one_entry(1, 1)))),
    Fault("one entry of conv2d wrong by 1 %", of_images, after_op("conv2d", changed("W", one_entry(1, 0, 2, 1)))),
    Fault("one entry of embedding wrong by 1 %", of_words, after_op("embedding", changed("table", one_entry(2, 1)))),
    Fault("transposed square of dense", of_numbers, after_op("dense", changed("W", transposed))),
    Fault("transposed square of rnn", of_words, after_op("rnn", changed("Wh", transposed))),
    Fault("dropped sample in dense", of_numbers, dropped_sample("dense")),
    Fault("dropped sample in rnn", of_words, dropped_sample("rnn")),
    Fault("slope of sigmoid off by 0.1 %", of_numbers, after_op("sigmoid", steep_by(1.001))),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_without_a_fault_the_networks_pass(network: Callable[[], Body], library: Library) -> None:
    answer = check(network(), library)
    assert answer.passed and answer.max_relative_error is not None
    assert all(tensor.relative_error is not None and not tensor.worst for tensor in answer.tensors)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.name))
def test_a_planted_fault_fails_the_check_and_its_entries_are_listed_first(
    fault: Fault, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = fault.network()
    right = gradients(body, library)
    fault.plant(monkeypatch)
    wrong = gradients(body, library)
    answer = check(body | {"include": ["params"]}, library)
    assert not answer.passed
    assert max(direction.relative_error for direction in answer.directions) > TOLERANCE
    failing = {(found.node, found.param or ""): found for found in answer.tensors if found.worst}
    assert failing.keys() == {place for place in right if planted_entries(right[place], wrong[place])}
    for place, found in failing.items():
        planted = planted_entries(right[place], wrong[place])
        listed = [tuple(entry.index) for entry in found.worst if entry.relative_error > TOLERANCE]
        assert tuple(found.worst[0].index) == listed[0] and set(listed) <= planted
        assert len(listed) == min(20, len(planted))
        for entry in found.worst:
            assert entry.analytic == pytest.approx(wrong[place][tuple(entry.index)], rel=1e-9)
            assert entry.numeric == pytest.approx(right[place][tuple(entry.index)], rel=1e-7, abs=1e-9)


def planted_entries(right: Array, wrong: Array) -> set[tuple[int, ...]]:
    """Where two gradients differ by more than the check lets pass."""
    differs = np.abs(wrong - right) > TOLERANCE * np.maximum(np.abs(wrong), np.abs(right))
    return {tuple(int(axis) for axis in index) for index in np.argwhere(differs)}


def an_op(kind: str) -> Body:
    """The first example of an op with four examples of its inputs, and a squared error behind it."""
    op, shapes = OPS[kind].examples()[0]
    limit = op.index_limit()
    spec = {"dtype": "float" if limit is None else "int"}
    names = [f"x{index}" for index in range(len(shapes))]
    node = op.model_dump(exclude_none=True, mode="json") | {"id": "node", "inputs": names}
    network = {
        "inputs": {name: {"shape": list(shape), **spec} for name, shape in zip(names, shapes, strict=True)},
        "nodes": [node],
        "losses": [{"kind": "mse"}],
    }
    generator = np.random.default_rng(11)
    inputs = {
        name: (generator.normal(size=(4, *shape)) if limit is None else generator.integers(0, limit, (4, *shape)))
        for name, shape in zip(names, shapes, strict=True)
    }
    return {
        "subject": {"network": network},
        "inputs": {name: array.tolist() for name, array in inputs.items()},
        "targets": {"y": drawn(4, *op.output_shape(shapes))},
        "mode": "training",
    }


@pytest.mark.parametrize("kind", OPS)
def test_gradients_off_by_a_thousandth_are_seen_in_every_op(
    kind: str, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = an_op(kind) | {"summary": True}
    assert check(body, library).passed
    after_op(kind, steep_by(1.001))(monkeypatch)
    answer = check(body, library)
    assert not answer.passed
    judged = [tensor for tensor in (*answer.tensors, *answer.inputs) if tensor.relative_error]
    # Where the slope along a direction is a sum that cancels, it is held to the length of what was summed.
    assert judged and all(1e-4 < (tensor.relative_error or 0) < 0.00101 for tensor in judged)


@pytest.mark.parametrize(
    ("op", "at_the_kink"),
    [
        ({"op": "relu"}, [[0.0, 1.0]]),
        ({"op": "prelu"}, [[0.0, 1.0]]),
        ({"op": "hardtanh"}, [[1.0, 0.5]]),
        ({"op": "max_pool1d", "kernel": 2}, [[[2.0, 2.0]]]),
        ({"op": "max_pool2d", "kernel": 2}, [[[[1.0, 3.0], [3.0, 2.0]]]]),
        ({"op": "global_max_pool"}, [[[1.0, 4.0, 4.0]]]),
    ],
    ids=lambda value: str(value["op"]) if isinstance(value, dict) else "",
)
def test_a_kink_is_reported_apart_and_fails_nothing(op: Body, at_the_kink: Any, library: Library) -> None:
    """A sign of a rectifier or a maximum of a pool that every direction changes: there is no slope to judge."""
    body: Body = {
        "subject": {"network": {"layers": [{**op, "id": "kinked"}], "losses": [{"kind": "mse"}]}},
        "inputs": {"x": at_the_kink},
    }
    output = Gradients.model_validate_json(json.dumps(body)).answer(library).values or {}
    values = output["kinked"]
    assert isinstance(values, np.ndarray)
    body["targets"] = {"y": (values - 0.5).tolist()}
    answer = check(body, library)
    assert [kink.name for kink in answer.kinks] == ["kinked"]
    assert answer.inputs[0].relative_error is None and not answer.inputs[0].worst
    moved = np.asarray(at_the_kink) + 0.25 * np.arange(np.size(at_the_kink)).reshape(np.shape(at_the_kink)) + 0.01
    away = check(body | {"inputs": {"x": moved.tolist()}}, library)
    assert away.kinks == [] and away.passed
