"""What holds of every optimizer: the reference runs, and that memory and stretches are all a run consists of."""

import gc
import json
import math
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from core import fused
from core.arrays import Array
from core.optimizer import Optimizer, OptimizerSite
from core.optimizers import OPTIMIZERS, AnyOptimizer
from core.training.clipping import Clip
from core.training.updater import Updater, memory_of

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "optimizers.json").read_text())
RUNS = REFERENCE["runs"]

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "sgd": [
        {},
        {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
        {"momentum": 0.9, "nesterov": True},
    ],
    "adam": [{}, {"weight_decay": 0.1, "amsgrad": True}],
    "adamw": [{}, {"amsgrad": True}],
    "rmsprop": [{}, {"centered": True, "momentum": 0.9, "weight_decay": 0.1}],
}
SPECS = [{"kind": kind, **variant} for kind in OPTIMIZERS for variant in VARIANTS.get(kind, [{}])]

every_optimizer = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: "-".join(map(str, spec.values())))


def optimizer_from(spec: Mapping[str, Any]) -> Optimizer:
    optimizer: Optimizer = TypeAdapter(AnyOptimizer).validate_python(spec)
    return optimizer


class Descent:
    """An optimizer bound to a flat vector, in stretches of the lengths given."""

    def __init__(self, optimizer: Optimizer, start: Array, lengths: list[int] | None = None) -> None:
        self.optimizer, self.step = optimizer, 0
        self.theta, self.gradient = start.copy(), np.zeros_like(start)
        self.slots = memory_of(optimizer, self.theta)
        self.scalars = {name: np.zeros((), start.dtype) for name in optimizer.scalars(1, optimizer.learning_rate)}
        self.calls: list[Callable[[], object]] = []
        workspace: dict[str, Array] = {}
        for stretch in stretches(lengths or [len(start)]):
            slots = {name: slot[stretch] if slot.ndim else slot for name, slot in self.slots.items()}
            self.calls += optimizer.update(
                OptimizerSite(self.theta[stretch], self.gradient[stretch], slots, self.scalars, workspace)
            )

    def move(self, gradient: Array, rate: float | None = None) -> None:
        self.step += 1
        self.gradient[...] = gradient
        self.update(self.optimizer.learning_rate if rate is None else rate)

    def update(self, rate: float) -> None:
        for name, number in self.optimizer.scalars(self.step, rate).items():
            self.scalars[name][...] = number
        for one in self.calls:
            one()


def stretches(lengths: list[int]) -> list[slice]:
    ends = np.cumsum(lengths).tolist()
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def quadratic(theta: Array) -> tuple[float, Array]:
    problem = REFERENCE["problems"]["quadratic"]
    a, centre, c = (np.array(problem[name]) for name in ("A", "B", "c"))
    w, b = theta[:4].reshape(2, 2), theta[4:]
    loss = 0.5 * np.sum(a * (w - centre) ** 2) + 0.5 * np.sum((b - c) ** 2)
    loss += 0.3 * w[0, 0] * w[1, 1] + 0.2 * b[0] * w[0, 1]
    dw = a * (w - centre) + np.array([[0.3 * w[1, 1], 0.2 * b[0]], [0.0, 0.3 * w[0, 0]]])
    db = (b - c) + np.array([0.2 * w[0, 1], 0.0])
    return float(loss), np.concatenate([dw.reshape(-1), db])


def rosenbrock(theta: Array) -> tuple[float, Array]:
    x, y = theta
    slope = np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])
    return float((1 - x) ** 2 + 100 * (y - x**2) ** 2), slope


PROBLEMS = {"quadratic": quadratic, "rosenbrock": rosenbrock}


def flat(tensors: Mapping[str, Any], order: list[str]) -> Array:
    return np.concatenate([np.ravel(tensors[name]) for name in order])


def spec_of(run: Mapping[str, Any]) -> dict[str, Any]:
    names = {"lr": "learning_rate"}
    return {"kind": run["optimizer"]} | {names.get(k, k): v for k, v in run["hyperparameters"].items()}


def follow(run: Mapping[str, Any], dtype: str) -> tuple[Array, list[float], list[float]]:
    """Parameters after each step, the losses before it, and the gradient norms before clipping."""
    problem = REFERENCE["problems"][run["problem"]]
    slope = PROBLEMS[run["problem"]]
    clip = run.get("clip")
    descent = Descent(optimizer_from(spec_of(run)), flat(problem["start"], problem["order"]).astype(dtype))
    path, losses, norms = [], [], []
    for _ in run["steps"]:
        loss, gradient = slope(descent.theta)
        gradient = gradient.astype(dtype)
        norms.append(float(np.linalg.norm(gradient)))
        losses.append(loss)
        if clip:
            Clip.model_validate({clip["kind"]: clip["max"]}).apply(gradient, norms[-1])
        descent.move(gradient)
        path.append(descent.theta.copy())
    return np.array(path), [*losses, slope(descent.theta)[0]], norms


def name_of(run: Mapping[str, Any]) -> str:
    clip = [run["clip"]["kind"]] if "clip" in run else []
    return "-".join([run["problem"], run["optimizer"], *map(str, run["hyperparameters"]), *clip])


@pytest.mark.parametrize("run", RUNS, ids=name_of)
def test_the_steps_of_the_reference_are_followed(run: dict[str, Any]) -> None:
    path, losses, norms = follow(run, "float64")
    expected = np.array([flat(step, REFERENCE["problems"][run["problem"]]["order"]) for step in run["steps"]])
    np.testing.assert_allclose(path, expected, rtol=1e-10, atol=0)
    np.testing.assert_allclose(losses, run["loss"], rtol=1e-10, atol=0)
    if "gradient_norm_before_clipping" in run:
        np.testing.assert_allclose(norms, run["gradient_norm_before_clipping"], rtol=1e-10)


@pytest.mark.parametrize("run", [run for run in RUNS if run["problem"] == "quadratic"], ids=name_of)
def test_float32_stays_beside_float64(run: dict[str, Any]) -> None:
    exact, single = follow(run, "float64")[0], follow(run, "float32")[0]
    assert np.abs(single - exact).max() <= 5e-5 * np.abs(exact).max()


def test_every_optimizer_has_a_reference_run() -> None:
    assert {run["optimizer"] for run in RUNS} == set(OPTIMIZERS)


def gradients(steps: int, size: int, dtype: str = "float32") -> Array:
    generator = np.random.default_rng(7)
    return generator.normal(0, generator.choice([1e-4, 1.0], size), (steps, size)).astype(dtype)


@every_optimizer
def test_stretches_move_a_vector_to_the_same_bits_as_the_whole(spec: dict[str, Any]) -> None:
    if optimizer_from(spec).needs_whole_vector:
        pytest.skip("takes no stretches")
    start = np.random.default_rng(1).normal(size=131).astype(np.float32)
    whole, parts = (Descent(optimizer_from(spec), start, lengths) for lengths in (None, [64, 64, 3]))
    for gradient in gradients(20, 131):
        whole.move(gradient)
        parts.move(gradient)
    assert whole.theta.tobytes() == parts.theta.tobytes()
    assert np.isfinite(whole.theta).all()
    assert (whole.theta != start).all()


@every_optimizer
def test_a_run_goes_on_from_its_slots_to_the_same_bits(spec: dict[str, Any]) -> None:
    start = np.random.default_rng(1).normal(size=17)
    steps = gradients(20, 17, "float64")
    undisturbed = Descent(optimizer_from(spec), start)
    for gradient in steps:
        undisturbed.move(gradient)
    first = Descent(optimizer_from(spec), start)
    for gradient in steps[:9]:
        first.move(gradient)
    second = Descent(optimizer_from(first.optimizer.model_dump(mode="json")), first.theta)
    second.step = first.step
    for name, slot in second.slots.items():
        slot[...] = first.slots[name]
    for gradient in steps[9:]:
        second.move(gradient)
    assert second.theta.tobytes() == undisturbed.theta.tobytes()


@every_optimizer
def test_an_update_keeps_no_memory(spec: dict[str, Any]) -> None:
    descent = Descent(optimizer_from(spec), np.ones(10_000, np.float32))

    def update(times: int) -> None:
        for _ in range(times):
            descent.step += 1
            descent.update(descent.optimizer.learning_rate)

    gc.collect()
    tracemalloc.start()
    update(50)
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    update(200)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # One vector of these parameters takes 40,000 bytes; Python's free lists come and go with a few thousand.
    assert after - before < 20_000
    assert peak - before < 20_000


@every_optimizer
def test_a_spec_comes_back_from_its_json(spec: dict[str, Any]) -> None:
    optimizer = optimizer_from(spec)
    optimizer.scalars(3, 0.1)
    assert TypeAdapter(AnyOptimizer).validate_json(optimizer.model_dump_json()) == optimizer
    assert optimizer_from(json.loads(optimizer.model_dump_json())) == optimizer


@every_optimizer
def test_the_scalars_have_the_same_names_in_every_step(spec: dict[str, Any]) -> None:
    optimizer = optimizer_from(spec)
    for step in (1, 2, 10, 10_000, 10_000_000):
        numbers = optimizer.scalars(step, 0.0)
        assert list(numbers) == list(optimizer.scalars(1, 0.1))
        assert all(math.isfinite(number) for number in numbers.values())


@every_optimizer
def test_a_learning_rate_of_zero_leaves_the_parameters_alone(spec: dict[str, Any]) -> None:
    descent = Descent(optimizer_from(spec), np.array([1.0, -2.0]))
    descent.move(np.array([0.5, -3.0]), rate=0.0)
    assert descent.theta.tolist() == [1.0, -2.0]


@every_optimizer
def test_a_gradient_that_is_always_zero_moves_nothing(spec: dict[str, Any]) -> None:
    descent = Descent(
        optimizer_from({**spec, **({"weight_decay": 0.0} if hasattr(optimizer_from(spec), "weight_decay") else {})}),
        np.ones(3),
    )
    for _ in range(3):
        descent.move(np.zeros(3))
    assert descent.theta.tolist() == [1.0, 1.0, 1.0]


@every_optimizer
def test_a_gradient_that_is_not_a_number_shows_in_the_parameters(spec: dict[str, Any]) -> None:
    descent = Descent(optimizer_from(spec), np.ones(2))
    descent.move(np.array([math.nan, 1.0]))
    assert math.isnan(descent.theta[0])
    assert descent.optimizer.needs_whole_vector or math.isfinite(descent.theta[1])


REFUSED = [
    ("sgd", {"learning_rate": 0.0}),
    ("sgd", {"learning_rate": math.nan}),
    ("sgd", {"learning_rate": math.inf}),
    ("sgd", {"learning_rate": "0.1"}),
    ("sgd", {"learning_rate": True}),
    ("sgd", {"momentum": 1.0}),
    ("sgd", {"momentum": -0.1}),
    ("sgd", {"dampening": 0.5}),
    ("sgd", {"nesterov": True}),
    ("sgd", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    ("sgd", {"weight_decay": -1.0}),
    ("sgd", {"lr": 0.1}),
    ("adam", {"betas": [0.9]}),
    ("adam", {"betas": [0.9, 1.0]}),
    ("adam", {"betas": [0.9, 0.99, 0.999]}),
    ("adam", {"betas": [True, 0.99]}),
    ("adam", {"betas": ["0.9", 0.99]}),
    ("adam", {"eps": 0.0}),
    ("adamw", {"amsgrad": 1}),
    ("nadam", {"momentum_decay": -1.0}),
    ("rprop", {"etas": [1.2, 0.5]}),
    ("rprop", {"step_sizes": [50.0, 1e-6]}),
    ("lbfgs", {"history_size": 0}),
    ("lbfgs", {"max_iter": 20}),
    ("newton", {}),
]


@pytest.mark.parametrize(("kind", "fields"), REFUSED, ids=str)
def test_a_hyper_parameter_out_of_range_is_refused(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        optimizer_from({"kind": kind, **fields})


def test_nesterov_momentum_is_worked_by_hand() -> None:
    """From θ = 1, g = θ, rate 0.1, μ = 0.5: v = 1, d = 1 + 0.5 = 1.5, θ = 0.85; v = 1.35, d = 0.85 + 0.675."""
    descent = Descent(
        optimizer_from({"kind": "sgd", "learning_rate": 0.1, "momentum": 0.5, "nesterov": True}), np.ones(1)
    )
    descent.move(descent.theta)
    assert descent.theta[0] == pytest.approx(0.85, rel=1e-15)
    descent.move(descent.theta)
    assert descent.theta[0] == pytest.approx(0.85 - 0.1 * 1.525, rel=1e-15)


def test_the_momenta_of_nadam_are_the_same_wherever_a_run_starts() -> None:
    forward = [optimizer_from({"kind": "nadam"}).scalars(step, 1.0) for step in range(1, 50)]
    backward = [optimizer_from({"kind": "nadam"}).scalars(step, 1.0) for step in range(49, 0, -1)]
    assert forward == backward[::-1]


def test_a_schedule_scales_the_steps_of_rprop() -> None:
    descent = Descent(optimizer_from({"kind": "rprop", "learning_rate": 0.1}), np.zeros(1))
    descent.move(np.ones(1), rate=0.05)
    assert descent.theta[0] == pytest.approx(-0.05, rel=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fields", [{"kind": "adam"}, {"kind": "adam", "weight_decay": 0.1}, {"kind": "adamw"}])
def test_the_compiled_step_moves_to_the_same_bits(fields: dict[str, Any], dtype: str) -> None:
    generator = np.random.default_rng(0)
    start, gradients = generator.normal(size=150_001), generator.normal(size=(4, 150_001))
    optimizer: Optimizer = TypeAdapter(AnyOptimizer).validate_python(fields)
    ends: list[list[bytes]] = []
    lengths: list[int] = []
    for is_fused in (False, True):
        fused.enable(on=is_fused)
        try:
            theta, gradient = start.astype(dtype), np.zeros(len(start), dtype)
            updater = Updater(optimizer, theta, gradient)
        finally:
            fused.enable(on=False)
        for step, given in enumerate(gradients, start=1):
            gradient[...] = given
            updater.prepare(step, 0.01)
            for call in updater.calls:
                call()
        ends.append([theta.tobytes(), *(slot.tobytes() for slot in updater.slots.values())])
        lengths.append(len(updater.calls))
    assert ends[0] == ends[1]
    assert lengths[0] > lengths[1]
