"""Recurrent layers compute the textbook's equations, in order, through any number of steps."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.arrays import Array, batch_first, batch_last
from core.errors import Invalid
from core.graph.build import build
from core.graph.graph import Graph
from core.graph.initial import initial_parameters
from core.network import Network
from core.op import ShapeMismatch, Site
from core.ops import OPS
from core.recurrent import Recurrent

Params = dict[str, Array]
Step = Callable[[Array, list[Array], Params], list[Array]]
"""The next states, of which the first is h, from one example's input and the states before."""


def logistic(z: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-z))


def elman(activation: Callable[[Array], Array]) -> Step:
    return lambda x, states, p: [activation(x @ p["Wx"] + states[0] @ p["Wh"] + p["b"])]


def long_short(x: Array, states: list[Array], p: Params) -> list[Array]:
    h, c = states
    i, f, g, o = np.split(x @ p["Wx"] + h @ p["Wh"] + p["b"], 4)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return [logistic(o) * np.tanh(c), c]


def gated(x: Array, states: list[Array], p: Params) -> list[Array]:
    (h,) = states
    (xr, xz, xn), (hr, hz, hn) = np.split(x @ p["Wx"] + p["bx"], 3), np.split(h @ p["Wh"] + p["bh"], 3)
    r, z = logistic(xr + hr), logistic(xz + hz)
    n = np.tanh(xn + r * hn)
    return [(1.0 - z) * n + z * h]


TEXTBOOK: list[tuple[str, dict[str, Any], Step, int]] = [
    ("rnn", {}, elman(np.tanh), 1),
    ("rnn", {"nonlinearity": "relu"}, elman(lambda z: np.where(z > 0, z, 0.0)), 1),
    ("lstm", {}, long_short, 2),
    ("gru", {}, gated, 1),
]
KINDS = [("rnn", {}), ("rnn", {"nonlinearity": "relu"}), ("lstm", {}), ("gru", {})]
every_kind = pytest.mark.parametrize(("kind", "fields"), KINDS)


def layer(kind: str, **fields: Any) -> Recurrent:
    op = OPS[kind].model_validate(fields)
    assert isinstance(op, Recurrent)
    return op


def parameters(op: Recurrent, steps: int, features: int) -> Params:
    generator = np.random.default_rng(5)
    shapes = op.parameter_shapes([(steps, features)])
    return {name: generator.normal(size=spec.shape) for name, spec in shapes.items()}


def site_of(op: Recurrent, x: Array, params: Params) -> Site:
    """A site for sequences (n, L, d), seen as the plan sees a network's input: examples first in memory."""
    y = np.zeros((*op.output_shape([x.shape[1:]]), len(x)), x.dtype)
    dx = np.zeros((*x.shape[1:], len(x)), x.dtype)
    gradients = {name: np.zeros_like(param) for name, param in params.items()}
    return Site(x=(batch_last(x),), y=y, dy=np.ones_like(y), dx=(dx,), params=params, dparams=gradients)


def output(op: Recurrent, x: Array, params: Params) -> Array:
    """The states (n, L, units) of sequences (n, L, d)."""
    site = site_of(op, x, params)
    for call in op.forward(site):
        call()
    return batch_first(site.y)


def sequences(examples: int, steps: int, features: int) -> Array:
    return np.random.default_rng(2).normal(size=(examples, steps, features))


@pytest.mark.parametrize(("kind", "fields", "step", "states"), TEXTBOOK)
@given(
    steps=st.integers(1, 6),
    features=st.integers(1, 4),
    units=st.integers(1, 4),
    examples=st.integers(1, 3),
    reverse=st.booleans(),
)
def test_the_states_are_those_of_the_textbook(
    kind: str,
    fields: dict[str, Any],
    step: Step,
    states: int,
    *,
    steps: int,
    features: int,
    units: int,
    examples: int,
    reverse: bool,
) -> None:
    op = layer(kind, **fields, units=units, reverse=reverse)
    params, x = parameters(op, steps, features), sequences(examples, steps, features)
    expected = np.zeros((examples, steps, units))
    for example in range(examples):
        now = [np.zeros(units)] * states
        for t in reversed(range(steps)) if reverse else range(steps):
            now = step(x[example, t], now, params)
            expected[example, t] = now[0]
    np.testing.assert_allclose(output(op, x, params), expected, rtol=1e-12, atol=1e-14)


@every_kind
@pytest.mark.parametrize("reverse", [False, True])
def test_a_state_depends_on_no_input_that_comes_later(kind: str, fields: dict[str, Any], reverse: bool) -> None:
    op = layer(kind, **fields, units=3, reverse=reverse)
    params, x = parameters(op, 6, 2), sequences(4, 6, 2)
    changed = x.copy()
    changed[:, 3] += 1.0
    before, after = output(op, x, params), output(op, changed, params)
    earlier, later = (slice(4, None), slice(0, 4)) if reverse else (slice(0, 3), slice(3, None))
    np.testing.assert_array_equal(after[:, earlier], before[:, earlier])
    assert (after[:, later] != before[:, later]).any(axis=(0, 2)).all()


@every_kind
def test_reading_in_reverse_is_reading_what_is_reversed(kind: str, fields: dict[str, Any]) -> None:
    forth, back = (layer(kind, **fields, units=3, reverse=reverse) for reverse in (False, True))
    params, x = parameters(forth, 5, 2), sequences(3, 5, 2)
    expected = output(forth, np.ascontiguousarray(x[:, ::-1]), params)[:, ::-1]
    np.testing.assert_array_equal(output(back, x, params), expected)


@every_kind
def test_the_calls_of_a_long_sequence_grow_with_its_steps_and_allocate_nothing(
    kind: str, fields: dict[str, Any]
) -> None:
    op = layer(kind, **fields, units=8)
    params = {name: 0.1 * value for name, value in parameters(op, 200, 3).items()}
    lengths, sites = (100, 200, 300), []
    for steps in lengths:
        site = site_of(op, sequences(64, steps, 3), params)
        sites.append((site, [*op.forward(site), *op.backward(site)]))
    (_, short), (site, calls), (_, long) = sites
    assert len(long) - len(calls) == len(calls) - len(short) <= 100 * 20
    for call in calls:
        call()
    tracemalloc.start()
    try:
        for call in calls:
            call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # NumPy's own passing buffers hold at most 8192 entries an operand; y has 102,400.
    assert peak < site.y.nbytes / 2
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in (*site.dx, *site.dparams.values()))


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("size", [1e3, 1e6, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gates_that_are_wide_open_or_shut_overflow_nothing(kind: str, size: float, dtype: type[np.floating]) -> None:
    op = layer(kind, units=3)
    params = {name: value.astype(dtype) for name, value in parameters(op, 4, 2).items()}
    site = site_of(op, (size * sequences(5, 4, 2)).astype(dtype), params)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for call in (*op.forward(site), *op.backward(site)):
            call()
    assert np.abs(site.y).max() <= 1.0
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in (*site.dx, *site.dparams.values()))


def test_an_open_forget_gate_carries_a_gradient_through_two_hundred_steps() -> None:
    """What the lstm was made for: with f = 1 the cell's own derivative is 1 at every step."""
    op = layer("lstm", units=1)
    params = {"Wx": np.array([[0.0, 0.0, 1.0, 0.0]]), "Wh": np.zeros((1, 4)), "b": np.array([-3.0, 100.0, 0.0, 100.0])}
    site = site_of(op, np.zeros((1, 200, 1)), params)
    assert site.dy is not None
    site.dy[:-1] = 0.0
    for call in (*op.forward(site), *op.backward(site)):
        call()
    (dx,) = site.dx
    assert dx is not None
    np.testing.assert_allclose(dx.ravel(), logistic(np.array(-3.0)), rtol=1e-12)


def graph_of(node: dict[str, Any], features: int = 2) -> Graph:
    description = {"inputs": {"x": {"shape": [4, features]}}, "layers": [node]}
    return build(Network.model_validate(description))


def test_a_cell_at_first_remembers() -> None:
    graph = graph_of({"op": "lstm", "units": 2, "id": "r"})
    start = graph.views(initial_parameters(graph, 0, np.float64))["r"]
    np.testing.assert_array_equal(start["b"], [0, 0, 1, 1, 0, 0, 0, 0])
    assert (start["Wx"] != 0).all() and (start["Wh"] != 0).all()


@pytest.mark.parametrize(("kind", "blocks"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_weights_start_as_varied_as_one_gate_wants_them(kind: str, blocks: int) -> None:
    """A gate is a layer from d to units; that four of them lie side by side is no reason to start smaller."""
    graph = graph_of({"op": kind, "units": 5, "id": "r"}, features=3)
    assert {
        name: (spec.fan_in, spec.fan_out) for name, spec in graph.node["r"].parameters.items() if name[0] == "W"
    } == {
        "Wx": (3, 5),
        "Wh": (5, 5),
    }
    assert graph.node["r"].parameters["Wh"].shape == (5, 5 * blocks)


@pytest.mark.parametrize(("kind", "blocks"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_explicit_weights_tell_the_width(kind: str, blocks: int) -> None:
    graph = graph_of({"op": kind, "params": {"Wh": np.zeros((3, 3 * blocks)).tolist()}})
    assert graph.nodes[0].shape == (4, 3)
    written = graph.nodes[0].op
    assert isinstance(written, Recurrent) and written.units == 3


def test_explicit_weights_of_another_width_are_refused() -> None:
    with pytest.raises(Invalid) as refused:
        graph_of({"op": "lstm", "units": 2, "params": {"Wh": np.zeros((3, 12)).tolist(), "bx": [0.0] * 8}})
    assert [(problem.pointer, problem.detail) for problem in refused.value.problems] == [
        ("/layers/0/params/Wh", "must have shape [2, 8]"),
        ("/layers/0/params/bx", "lstm has no parameter 'bx'"),
    ]


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        (
            {"units": 3},
            (7,),
            r"needs a sequence, of shape \[steps, features\], and gets \[7\]; one number a step is \[7, 1\]",
        ),
        ({"units": 3}, (1, 28, 28), r"and gets \[1, 28, 28\]$"),
        ({"units": 3}, (), r"and gets \[\]$"),
        ({}, (5, 2), "needs `units`"),
    ],
)
def test_what_is_no_sequence_or_has_no_width_is_refused_in_words(
    kind: str, fields: dict[str, Any], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        layer(kind, **fields).output_shape([shape])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("rnn", {"nonlinearity": "sigmoid"}),
        ("lstm", {"units": 0}),
        ("lstm", {"units": True}),
        ("gru", {"reverse": 1}),
        ("gru", {"nonlinearity": "tanh"}),
        ("lstm", {"return_sequences": True}),
    ],
)
def test_hyper_parameters_that_make_no_sense_are_refused(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        layer(kind, **fields)
