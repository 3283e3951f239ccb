"""How time grows as the work grows: examples per second and compile time over width, depth and batch.

    make bench-scaling      draws tests/bench/scaling.svg

Each point is a network of equal layers with rectifiers, trained by Adam in float32 with one BLAS thread, beside the
matrix products of its step alone, measured in turn in one process.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from core.graph.build import build
from core.graph.initial import initial_parameters
from core.graph.plan import Plan
from core.graph.sites import Wanted
from core.network import Network
from core.optimizers.adam import Adam
from core.training.updater import Updater

PICTURE = Path(__file__).with_name("scaling.svg")
REPEATS, SECONDS = 7, 0.02
CLASSES = 10


@dataclass(frozen=True)
class Size:
    """A network of `depth` hidden layers of `width` units, and the examples of a step."""

    width: int = 64
    depth: int = 2
    batch: int = 64


@dataclass(frozen=True)
class Point:
    """What a size takes, in seconds."""

    size: Size
    step: float
    floor: float
    compiling: float


SERIES: dict[str, Sequence[Size]] = {
    "width": [Size(width=2**power) for power in range(3, 12)],
    "depth": [Size(depth=depth, width=32, batch=32) for depth in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)],
    "batch": [Size(batch=2**power) for power in range(13)],
}


def main() -> None:
    found = {name: [measure(size) for size in sizes] for name, sizes in SERIES.items()}
    for name, points in found.items():
        print(f"| {name} | examples/s | of the floor | compile ms |\n|---|---|---|---|")
        for point in points:
            speed = f"{point.size.batch / point.step:,.0f}"
            share, compiling = f"{point.floor / point.step:.2f}", f"{1e3 * point.compiling:.2f}"
            print(f"| {getattr(point.size, name)} | {speed} | {share} | {compiling} |")
    draw(found)


def measure(size: Size) -> Point:
    """Step and floor in turn, so that both see the same machine; the best of each."""
    step, compiling = a_step(size)
    floor = the_products(size)
    best = [float("inf"), float("inf")]
    for _ in range(REPEATS):
        for index, run in enumerate((step, floor)):
            best[index] = min(best[index], seconds_of(run))
    return Point(size, best[0], best[1], compiling)


def a_step(size: Size) -> tuple[Callable[[], None], float]:
    """A bound training step, and the time its plan took to compile (the best of three)."""
    hidden: list[dict[str, Any]] = [{"op": "dense", "units": size.width}, {"op": "relu"}] * size.depth
    layers = [*hidden, {"op": "dense", "units": CLASSES}]
    description = {"inputs": {"x": {"shape": [size.width]}}, "layers": layers, "losses": [{"kind": "cross_entropy"}]}
    graph = build(Network.model_validate(description))
    parameters = initial_parameters(graph, 0, "float32")
    wanted, compiling = Wanted(losses=False, training=True), float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        plan = Plan(graph, size.batch, parameters, wanted=wanted)
        compiling = min(compiling, time.perf_counter() - begun)
    assert plan.gradient is not None
    updater = Updater(Adam(learning_rate=1e-6), parameters, plan.gradient)
    x = np.random.default_rng(0).standard_normal((size.batch, size.width), dtype=np.float32)
    plan.load({"x": x}, {"y": np.arange(size.batch) % CLASSES})
    updater.prepare(1, 1e-6)
    calls = (*plan.prepare_calls, *plan.calls, *updater.calls)

    def step() -> None:
        for call in calls:
            call()

    return step, compiling


def the_products(size: Size) -> Callable[[], None]:
    """Only the matrix products of a step, outputs made before."""
    generator = np.random.default_rng(0)
    widths = [size.width] * (size.depth + 1) + [CLASSES]
    calls: list[tuple[Any, Any, Any]] = []
    for index, (fan_in, fan_out) in enumerate(pairwise(widths)):
        x, w, dy = (
            generator.standard_normal(shape, dtype=np.float32)
            for shape in ((size.batch, fan_in), (fan_in, fan_out), (size.batch, fan_out))
        )
        calls += [(x.dot, w, np.empty_like(dy)), (x.T.dot, dy, np.empty_like(w))]
        if index:
            calls.append((dy.dot, w.T, np.empty_like(x)))

    def products() -> None:
        for dot, right, out in calls:
            dot(right, out)

    return products


def seconds_of(run: Callable[[], None]) -> float:
    """Of one call, from as many as fill a moment."""
    begun, calls = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        run()
        calls += 1
    return (time.perf_counter() - begun) / calls


def draw(found: dict[str, list[Point]]) -> None:
    """One column a quantity: speed above, compile time below."""
    mpl.rcParams["svg.hashsalt"] = "backprop"
    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.subplots(2, len(found), sharex="col")
    for column, (name, points) in enumerate(found.items()):
        sizes = [getattr(point.size, name) for point in points]
        above, below = axes[0][column], axes[1][column]
        above.loglog(sizes, [point.size.batch / point.step for point in points], marker="o", label="a training step")
        above.loglog(sizes, [point.size.batch / point.floor for point in points], linestyle="--", label="GEMM floor")
        below.loglog(sizes, [1e3 * point.compiling for point in points], marker="o", color="tab:green")
        below.set_xlabel(name if name != "depth" else "hidden layers")
        above.set_title(f"over {name}")
    axes[0][0].set_ylabel("examples / s")
    axes[1][0].set_ylabel("compile time of a plan, ms")
    axes[0][0].legend()
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
