"""Small runs by a seed: healthy ones of many kinds, and ones with a fault that was planted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.arrays import Array
from core.graph.build import Surroundings, build
from core.graph.graph import Graph
from core.network import InputSpec, Network
from core.training.examples import Examples
from core.training.spec import TrainingSpec

Json = dict[str, Any]
Draw = np.random.Generator

RIGHT: Mapping[str, frozenset[str]] = {
    "vanishing": frozenset({"vanishing"}),
    "exploding": frozenset({"exploding"}),
    "dead": frozenset({"dead_units"}),
    "saturated": frozenset({"saturated"}),
    "symmetric": frozenset({"symmetric"}),
    "unscaled": frozenset({"input_scale"}),
    "rate too high": frozenset({"update_too_large", "diverging"}),
    "rate too low": frozenset({"update_too_small"}),
    "over-fitting": frozenset({"overfitting", "generalisation_gap"}),
}
"""The codes of which one is right for each fault."""


@dataclass(frozen=True)
class Case:
    """One run before its first step."""

    fault: str | None
    seed: int
    words: str
    graph: Graph
    spec: TrainingSpec
    training: Examples
    validation: Examples


@dataclass
class _Plan:
    """A run as it is put together."""

    inputs: Array
    targets: Array
    loss: str
    width: int
    layers: list[Json]
    optimizer: Json
    epochs: int = 15
    batch: int = 32
    init: Json | None = None
    words: list[str] = field(default_factory=list)


def a_case(fault: str | None, seed: int) -> Case:
    """The run of this fault and seed; the same every time."""
    draw = np.random.default_rng([seed, *(fault or "healthy").encode()])
    return _finished(_FAULTS[fault](draw), fault, seed)


def _finished(plan: _Plan, fault: str | None, seed: int) -> Case:
    network = Network.model_validate(
        {"layers": [*plan.layers, {"op": "dense", "units": plan.width}], "losses": [{"kind": plan.loss}]}
        | ({} if plan.init is None else {"init": plan.init})
    )
    graph = build(network, Surroundings(inputs={"x": InputSpec(shape=list(plan.inputs.shape[1:]))}))
    spec = TrainingSpec.model_validate(
        {"optimizer": plan.optimizer, "epochs": plan.epochs, "batch_size": plan.batch, "seed": seed}
    )
    kept = len(plan.inputs) * 7 // 10
    targets = plan.targets if plan.targets.dtype.kind == "i" or plan.targets.ndim > 1 else plan.targets[:, None]
    halves = [Examples({"x": plan.inputs[part]}, {"y": targets[part]}) for part in (slice(kept), slice(kept, None))]
    words = " ".join([*plan.words, *(layer["op"] for layer in plan.layers), str(plan.optimizer)])
    return Case(fault, seed, words, graph, spec, halves[0], halves[1])


# Data


def _blobs(draw: Draw) -> tuple[Array, Array, str, int]:
    """Classes around centers, some of which overlap."""
    classes, features, rows = int(draw.integers(2, 6)), int(draw.integers(2, 12)), int(draw.integers(200, 500))
    shares = draw.dirichlet(np.full(classes, 5.0))
    labels = draw.choice(classes, rows, p=shares)
    centers = draw.normal(0.0, draw.uniform(0.7, 2.5), (classes, features))
    return centers[labels] + draw.normal(size=(rows, features)), labels.astype(np.intp), "cross_entropy", classes


def _rings(draw: Draw) -> tuple[Array, Array, str, int]:
    """Rings around one another, or arms of a spiral."""
    rows, classes = int(draw.integers(250, 500)), int(draw.integers(2, 4))
    labels = draw.integers(0, classes, rows)
    turn, noise = draw.uniform(0, 2 * np.pi, rows), draw.uniform(0.02, 0.2)
    if draw.random() < 0.5:
        radius, angle = 0.5 + labels, turn
    else:
        radius = turn / (2 * np.pi)
        angle = 3.0 * radius + labels * 2 * np.pi / classes
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points + draw.normal(0, noise, (rows, 2)), labels.astype(np.intp), "cross_entropy", classes


def _yes_or_no(draw: Draw) -> tuple[Array, Array, str, int]:
    """A yes or no by a noisy sum of products."""
    rows, features = int(draw.integers(200, 500)), int(draw.integers(3, 15))
    inputs = draw.normal(size=(rows, features))
    score = inputs @ draw.normal(size=features) + inputs[:, 0] * inputs[:, 1] + draw.normal(0, 0.7, rows)
    return inputs, (score > draw.uniform(-0.5, 1.5)).astype(float), "bce_with_logits", 1


def _curve(draw: Draw) -> tuple[Array, Array, str, int]:
    """A number by a smooth function, with little or much noise."""
    rows, features = int(draw.integers(200, 500)), int(draw.integers(1, 10))
    inputs = draw.normal(size=(rows, features))
    exact = np.sin(2.0 * inputs[:, 0]) + inputs @ draw.normal(0, 0.7, features)
    targets = exact / exact.std() + draw.normal(0, draw.choice([0.05, 0.3, 1.5]), rows)
    return inputs, targets, str(draw.choice(["mse", "mse", "mae", "huber"])), 1


_DATA: list[Callable[[Draw], tuple[Array, Array, str, int]]] = [_blobs, _rings, _yes_or_no, _curve]


def _standardized(inputs: Array) -> Array:
    standardized: Array = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    return standardized


def _data(draw: Draw) -> tuple[Array, Array, str, int]:
    inputs, targets, loss, width = _DATA[int(draw.integers(len(_DATA)))](draw)
    if loss in {"mse", "mae", "huber"}:
        targets = _standardized(targets)
    return _standardized(inputs), targets, loss, width


# Networks and optimizers that learn


def _chain(draw: Draw, activation: str, depth: int, *, width: int | None = None, norm: str | None = None) -> list[Json]:
    layers: list[Json] = []
    for _ in range(depth):
        layers.append({"op": "dense", "units": width or int(draw.integers(12, 65))})
        layers += [] if norm is None else [{"op": norm}]
        layers.append({"op": activation})
    return layers


def _rate(draw: Draw, low: float, high: float) -> float:
    return float(np.exp(draw.uniform(np.log(low), np.log(high))))


def _optimizer(draw: Draw) -> Json:
    match int(draw.integers(5)):
        case 0:
            return {"kind": "sgd", "learning_rate": _rate(draw, 0.01, 0.05)}
        case 1:
            return {"kind": "sgd", "learning_rate": _rate(draw, 0.001, 0.005), "momentum": 0.9}
        case 2:
            return {"kind": "rmsprop", "learning_rate": _rate(draw, 5e-4, 3e-3)}
        case 3:
            return {"kind": "adamw", "learning_rate": _rate(draw, 1e-3, 1e-2), "weight_decay": 0.01}
        case _:
            return {"kind": "adam", "learning_rate": _rate(draw, 1e-3, 1e-2)}


def _healthy(draw: Draw) -> _Plan:
    inputs, targets, loss, width = _data(draw)
    kind = int(draw.integers(6))
    if kind == 0:
        layers = _chain(draw, str(draw.choice(["sigmoid", "tanh"])), int(draw.integers(1, 3)))
    elif kind == 1:
        layers = _chain(draw, str(draw.choice(["tanh", "softsign"])), int(draw.integers(2, 5)))
    elif kind == 2:
        norm = str(draw.choice(["layer_norm", "batch_norm"]))
        layers = _chain(draw, str(draw.choice(["relu", "tanh", "gelu"])), int(draw.integers(2, 9)), norm=norm)
    elif kind == 3:
        layers = _chain(draw, "relu", int(draw.integers(1, 3)))
        layers.append({"op": "dropout", "p": 0.2})
    elif kind == 4:
        side = 6
        shades = draw.normal(size=(len(inputs), 1, side, side)) * 0.5 + inputs[:, :1, None, None]
        inputs = _standardized(shades)
        channels = int(draw.integers(4, 9))
        layers = [
            {"op": "conv2d", "filters": channels, "kernel": 3, "padding": 1},
            {"op": "relu"},
            {"op": "conv2d", "filters": channels, "kernel": 3, "padding": 1},
            {"op": "relu"},
            {"op": str(draw.choice(["global_avg_pool", "flatten"]))},
        ]
    else:
        layers = _chain(draw, str(draw.choice(["relu", "leaky_relu", "gelu", "elu"])), int(draw.integers(1, 6)))
    plan = _Plan(inputs, targets, loss, width, layers, _optimizer(draw))
    plan.epochs = int(draw.integers(10, 25))
    plan.batch = int(draw.choice([16, 32, 64]))
    return plan


# Faults


def _vanishing(draw: Draw) -> _Plan:
    inputs, targets, loss, width = _data(draw)
    layers = _chain(draw, "sigmoid", int(draw.integers(7, 13)), width=int(draw.choice([16, 32, 48])))
    return _Plan(inputs, targets, loss, width, layers, _optimizer(draw), epochs=10)


def _exploding(draw: Draw) -> _Plan:
    inputs, targets, loss, width = _data(draw)
    units = int(draw.choice([24, 32, 48]))
    activation = str(draw.choice(["tanh", "relu"]))
    layers = _chain(draw, activation, int(draw.integers(4, 9)), width=units)
    # A layer of deviation s / √units multiplies the signal by s / √2 through relu, and by √(0.53 s) through tanh.
    growth = draw.uniform(3.5, 5.0)
    std = (np.sqrt(2.0) * growth if activation == "relu" else growth**2 / 0.53) / np.sqrt(units)
    return _Plan(
        inputs, targets, loss, width, layers, _small_steps(draw), epochs=8, init={"kind": "normal", "std": std}
    )


def _small_steps(draw: Draw) -> Json:
    """An optimizer with which a bad start is the only fault."""
    return [
        {"kind": "adam", "learning_rate": _rate(draw, 3e-4, 3e-3)},
        {"kind": "sgd", "learning_rate": _rate(draw, 1e-3, 1e-2)},
    ][int(draw.integers(2))]


def _dead(draw: Draw) -> _Plan:
    inputs, targets, loss, width = _data(draw)
    layers = _chain(draw, "relu", int(draw.integers(1, 4)), width=int(draw.integers(12, 49)))
    if draw.random() < 0.6:
        # One hidden layer cannot be above zero for anybody.
        place = 2 * int(draw.integers(len(layers) // 2))
        layers[place]["params"] = {"b": [-10.0] * layers[place]["units"]}
        return _Plan(inputs, targets, loss, width, layers, _small_steps(draw), epochs=8, words=["bias"])
    inputs, targets, loss, width = [_blobs, _rings][int(draw.integers(2))](draw)
    inputs = _standardized(inputs)
    optimizer = {"kind": "adam", "learning_rate": _rate(draw, 2.0, 20.0)}
    return _Plan(inputs, targets, loss, width, layers, optimizer, epochs=8, words=["rate"])


def _saturated(draw: Draw) -> _Plan:
    inputs, targets, loss, width = _data(draw)
    activation = str(draw.choice(["sigmoid", "tanh"]))
    layers = _chain(draw, activation, int(draw.integers(1, 4)), width=int(draw.integers(16, 49)))
    std = draw.uniform(5.0, 15.0) if activation == "sigmoid" else draw.uniform(3.0, 10.0)
    return _Plan(
        inputs, targets, loss, width, layers, _small_steps(draw), epochs=8, init={"kind": "normal", "std": std}
    )


def _symmetric(draw: Draw) -> _Plan:
    inputs, targets, loss, width = _data(draw)
    activation = str(draw.choice(["relu", "tanh", "sigmoid"]))
    layers = _chain(draw, activation, int(draw.integers(1, 4)))
    value = float(draw.choice([0.0, 0.02, 0.1]))
    return _Plan(
        inputs, targets, loss, width, layers, _optimizer(draw), epochs=8, init={"kind": "constant", "value": value}
    )


def _unscaled(draw: Draw) -> _Plan:
    inputs, targets, loss, width = _data(draw)
    scale = np.exp(draw.uniform(np.log(20.0), np.log(2000.0)))
    moved = inputs * scale + draw.choice([0.0, 3.0]) * scale
    activation = str(draw.choice(["relu", "tanh", "sigmoid", "gelu"]))
    layers = _chain(draw, activation, int(draw.integers(1, 4)))
    return _Plan(moved, targets, loss, width, layers, _small_steps(draw), epochs=8)


def _rate_too_high(draw: Draw) -> _Plan:
    inputs, targets, loss, width = _data(draw)
    layers = _chain(draw, str(draw.choice(["relu", "tanh", "gelu"])), int(draw.integers(1, 4)))
    optimizer: Json = [
        {"kind": "adam", "learning_rate": _rate(draw, 0.3, 10.0)},
        {"kind": "sgd", "learning_rate": _rate(draw, 8.0, 100.0)},
        {"kind": "sgd", "learning_rate": _rate(draw, 3.0, 30.0), "momentum": 0.9},
    ][int(draw.integers(3))]
    return _Plan(inputs, targets, loss, width, layers, optimizer, epochs=10)


def _rate_too_low(draw: Draw) -> _Plan:
    inputs, targets, loss, width = _data(draw)
    layers = _chain(draw, str(draw.choice(["relu", "tanh", "gelu"])), int(draw.integers(1, 4)))
    optimizer: Json = [
        {"kind": "adam", "learning_rate": _rate(draw, 1e-8, 1e-6)},
        {"kind": "sgd", "learning_rate": _rate(draw, 1e-7, 1e-5)},
    ][int(draw.integers(2))]
    return _Plan(inputs, targets, loss, width, layers, optimizer, epochs=12)


def _overfitting(draw: Draw) -> _Plan:
    """Few rows, a third of their targets by chance, more features that say nothing, and units to learn it by heart."""
    inputs, targets, loss, width = _data(draw)
    rows = int(draw.integers(50, 90))
    silent = draw.normal(size=(rows, int(draw.integers(8, 20))))
    inputs, targets = np.concatenate([inputs[:rows], silent], axis=1), targets[:rows].copy()
    chosen = draw.random(rows) < 0.35
    targets[chosen] = draw.permutation(targets[chosen])
    layers = _chain(draw, str(draw.choice(["relu", "gelu", "tanh"])), 2, width=int(draw.integers(64, 129)))
    optimizer = {"kind": "adam", "learning_rate": _rate(draw, 1e-3, 4e-3)}
    return _Plan(inputs, targets, loss, width, layers, optimizer, epochs=120, batch=16)


_FAULTS: Mapping[str | None, Callable[[Draw], _Plan]] = {
    None: _healthy,
    "vanishing": _vanishing,
    "exploding": _exploding,
    "dead": _dead,
    "saturated": _saturated,
    "symmetric": _symmetric,
    "unscaled": _unscaled,
    "rate too high": _rate_too_high,
    "rate too low": _rate_too_low,
    "over-fitting": _overfitting,
}
