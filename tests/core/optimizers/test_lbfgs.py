"""L-BFGS is the inverse Hessian of its pairs times the gradient, and remembers only what tells of curvature."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from core.arrays import Array
from core.optimizers.lbfgs import Lbfgs
from core.training.updater import WHOLE_BELOW, Updater

Slope = Callable[[Array], Array]


class Descent:
    """L-BFGS on a function given by its slope, with every point and gradient kept."""

    def __init__(self, slope: Slope, start: Array, history_size: int = 10, rate: float = 1.0) -> None:
        self.slope, self.rate = slope, rate
        self.theta, self.gradient = start.copy(), np.zeros_like(start)
        self.updater = Updater(Lbfgs(history_size=history_size), self.theta, self.gradient)
        self.points: list[Array] = []
        self.gradients: list[Array] = []

    def move(self, times: int = 1) -> None:
        for _ in range(times):
            self.gradient[...] = self.slope(self.theta)
            self.points.append(self.theta.copy())
            self.gradients.append(self.gradient.copy())
            self.step(len(self.points), self.rate)

    def step(self, number: int, rate: float) -> None:
        self.updater.prepare(number, rate)
        for call in self.updater.calls:
            call()


def a_bowl(size: int, condition: float) -> Slope:
    """The slope of ½ xᵀ A x with eigenvalues of A from 1 / condition to 1."""
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))
    matrix = basis * np.geomspace(1.0 / condition, 1.0, size) @ basis.T
    return lambda x: matrix @ x


@pytest.mark.parametrize("history_size", [1, 3, 10])
def test_a_step_is_the_dense_inverse_hessian_times_the_gradient(history_size: int) -> None:
    """By H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ, begun at (s·y / y·y) I of the newest pair (7.16 in the book)."""
    descent = Descent(a_bowl(5, 30.0), np.arange(1.0, 6.0), history_size, rate=0.7)
    descent.move(8)
    steps, changes = np.diff(descent.points, axis=0), np.diff(descent.gradients, axis=0)
    inverse = np.eye(5) * (steps[-1] @ changes[-1]) / (changes[-1] @ changes[-1])
    for s, y in list(zip(steps, changes, strict=True))[-history_size:]:
        left = np.eye(5) - np.outer(s, y) / (s @ y)
        inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
    taken = descent.theta - descent.points[-1]
    np.testing.assert_allclose(taken, -0.7 * inverse @ descent.gradients[-1], rtol=1e-9)


def test_a_long_valley_is_crossed_in_a_few_dozen_steps() -> None:
    """Gradient descent at its best rate, 2 / (1 + 1/1000), takes 3,100 steps for as much."""
    descent = Descent(a_bowl(20, 1e3), np.ones(20))
    descent.move(100)
    assert np.abs(descent.theta).max() < 2e-3


def test_where_the_slope_falls_along_the_step_nothing_is_remembered() -> None:
    """On a hill, −½ x², every step leads uphill of the slope: s·y < 0, and each step is the bare gradient."""
    descent = Descent(lambda x: -x, np.array([1.0, -2.0]), rate=0.5)
    descent.move(4)
    assert descent.updater.slots["pairs"] == 0
    # The first is shortened by Σ|g| = 3, the others grow x by a half each.
    np.testing.assert_allclose(descent.theta, np.array([1.0, -2.0]) * (1 + 0.5 / 3) * 1.5**3)


def test_a_vector_too_long_for_one_stretch_is_moved_as_a_whole() -> None:
    """A stretch of its own would have a curvature of its own."""
    size = 2 * WHOLE_BELOW
    curvatures = np.linspace(0.1, 1.0, size)
    long = Descent(lambda x: curvatures * x, np.ones(size))
    long.move(5)
    short = Descent(lambda x: curvatures.reshape(2, -1).T.reshape(-1) * x, np.ones(size))
    short.move(5)
    # Sums in another order differ by roundings of the largest entries, whatever the size of an entry.
    largest = np.abs(long.theta).max()
    np.testing.assert_allclose(short.theta, long.theta.reshape(2, -1).T.reshape(-1), rtol=0, atol=1e-12 * largest)


def test_steps_with_a_full_memory_allocate_nothing() -> None:
    curvatures = np.linspace(0.1, 1.0, 50_000)
    descent = Descent(lambda x: curvatures * x, np.ones(50_000), history_size=3)
    descent.move(5)
    tracemalloc.start()
    try:
        descent.step(6, 1e-3)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for step in range(7, 17):
            np.multiply(curvatures, descent.theta, descent.gradient)
            descent.step(step, 1e-3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert descent.updater.slots["pairs"] >= 10
    assert peak - before < 20_000
