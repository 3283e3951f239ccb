"""The fixed training cases: every peer gets the same rows, starting weights, batch size and optimizer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Layer = tuple[Floats, Floats]

Prepared = tuple[Callable[[], object], float]
"""A call that trains, and how many epochs it trains for."""

IMAGE = (1, 28, 28)
FILTERS = (16, 32)
"""Of two 3 × 3 convolutions, each followed by a rectifier and a 2 × 2 maximum."""


@dataclass(frozen=True)
class Case:
    """A multilayer perceptron, or one behind two convolutions, on made-up rows. Rates are small so that hundreds of
    timed epochs stay in the regime of a user's training: a net that has reached zero loss works on denormals."""

    name: str
    widths: tuple[int, ...]
    batch: int
    rows: int
    optimizer: str
    rate: float
    activation: str = "relu"
    shuffles: bool = True
    is_convolutional: bool = False

    of_floor: float = 0.0
    """Share of the matrix products' speed that is to be reached."""

    of_scikit_learn: float = 0.0
    of_torch: float = 0.0
    """How many times as fast as the peer's best form."""

    @property
    def is_binary(self) -> bool:
        return self.widths[-1] == 1

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each dense layer."""
        return list(zip(self.widths[:-1], self.widths[1:], strict=True))


CASES = {
    case.name: case
    for case in [
        Case("tiny", (2, 16, 1), 32, 1000, "sgd", 0.01, activation="tanh",
             of_floor=0.30, of_scikit_learn=15, of_torch=21),
        Case("small", (20, 64, 64, 3), 32, 10_000, "adam", 1e-5, of_floor=0.36, of_scikit_learn=7, of_torch=8),
        Case("full-batch", (4, 10, 3), 150, 150, "sgd", 0.01, shuffles=False,
             of_floor=0.29, of_scikit_learn=6.3, of_torch=10.5),
        Case("digits", (64, 128, 10), 64, 1797, "adam", 1e-5, of_floor=0.36, of_scikit_learn=4.6, of_torch=5.3),
        Case("mnist-like", (784, 512, 512, 10), 128, 20_000, "adam", 1e-5,
             of_floor=0.73, of_scikit_learn=2.1, of_torch=1.8),
        Case("wide", (1024, 2048, 2048, 10), 256, 8192, "momentum", 1e-4,
             of_floor=0.89, of_scikit_learn=1.14, of_torch=1.8),
        Case("conv", (1568, 10), 64, 4096, "adam", 1e-5, is_convolutional=True, of_floor=0.70, of_torch=1.0),
    ]
}  # fmt: skip


def rows_of(case: Case) -> tuple[Floats, NDArray[np.int64]]:
    """Rows (n, d) and classes (n,): a noisy linear teacher, for one output a curved boundary, or images with a bar."""
    generator = np.random.default_rng(20_240)
    if case.is_convolutional:
        images = 0.3 * generator.standard_normal((case.rows, *IMAGE), dtype=np.float32)
        classes = generator.integers(0, case.widths[-1], case.rows)
        images[np.arange(case.rows), 0, 4 + 2 * classes, 4:24] += 1
        return images, classes
    x = generator.standard_normal((case.rows, case.widths[0]), dtype=np.float32)
    if case.is_binary:
        return x, (np.tanh(2 * x[:, 0]) + x[:, 1] ** 2 > 1).astype(np.int64)
    teacher = generator.standard_normal((case.widths[0], case.widths[-1]), dtype=np.float32)
    scores = x @ teacher / np.float32(np.sqrt(case.widths[0]))
    scores += 0.1 * generator.standard_normal(scores.shape, dtype=np.float32)
    return x, scores.argmax(axis=1).astype(np.int64)


def starting_layers(case: Case) -> list[Layer]:
    """Weights and biases, He or Glorot normal: kernels (out, in, 3, 3) first, then matrices (in, out)."""
    generator = np.random.default_rng(20_241)
    gain = 2.0 if case.activation == "relu" else 1.0
    kernels = [(FILTERS[0], IMAGE[0], 3, 3), (FILTERS[1], FILTERS[0], 3, 3)] if case.is_convolutional else []
    shapes: list[tuple[int, ...]] = [*kernels, *case.layers]
    layers = []
    for shape in shapes:
        fan_in = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
        units = shape[0] if len(shape) == 4 else shape[1]
        weights = (generator.standard_normal(shape) * np.sqrt(gain / fan_in)).astype(np.float32)
        layers.append((weights, np.zeros(units, np.float32)))
    return layers
