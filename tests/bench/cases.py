"""The fixed training cases: every peer gets the same rows, starting weights, batch size and optimizer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Layer = tuple[Floats, Floats]


@dataclass(frozen=True)
class Case:
    """A multilayer perceptron on made-up rows. Rates are small so that hundreds of timed epochs stay in the regime
    of a user's training: a net that has reached zero loss works on denormals and dead units."""

    name: str
    widths: tuple[int, ...]
    batch: int
    rows: int
    optimizer: str
    rate: float
    activation: str = "relu"
    shuffles: bool = True

    @property
    def is_binary(self) -> bool:
        return self.widths[-1] == 1

    @property
    def layers(self) -> list[tuple[int, int]]:
        return list(zip(self.widths[:-1], self.widths[1:], strict=True))


CASES = {
    case.name: case
    for case in [
        Case("tiny", (2, 16, 1), 32, 1000, "sgd", 0.01, activation="tanh"),
        Case("small", (20, 64, 64, 3), 32, 10_000, "adam", 1e-5),
        Case("full-batch", (4, 10, 3), 150, 150, "sgd", 0.01, shuffles=False),
        Case("digits", (64, 128, 10), 64, 1797, "adam", 1e-5),
        Case("mnist-like", (784, 512, 512, 10), 128, 20_000, "adam", 1e-5),
        Case("wide", (1024, 2048, 2048, 10), 256, 8192, "momentum", 1e-4),
    ]
}


def rows_of(case: Case) -> tuple[Floats, NDArray[np.int64]]:
    """Rows (n, d) and classes (n,): a noisy linear teacher, or for one output a curved boundary."""
    generator = np.random.default_rng(20_240)
    x = generator.standard_normal((case.rows, case.widths[0]), dtype=np.float32)
    if case.is_binary:
        return x, (np.tanh(2 * x[:, 0]) + x[:, 1] ** 2 > 1).astype(np.int64)
    teacher = generator.standard_normal((case.widths[0], case.widths[-1]), dtype=np.float32)
    noise = generator.standard_normal((case.rows, case.widths[-1]), dtype=np.float32)
    return x, (x @ teacher / np.sqrt(case.widths[0]) + 0.1 * noise).argmax(axis=1).astype(np.int64)


def starting_layers(case: Case) -> list[Layer]:
    """Weights (in, out) and biases, He or Glorot normal."""
    generator = np.random.default_rng(20_241)
    gain = 2.0 if case.activation == "relu" else 1.0
    return [
        (
            (generator.standard_normal((fan_in, fan_out)) * np.sqrt(gain / fan_in)).astype(np.float32),
            np.zeros(fan_out, np.float32),
        )
        for fan_in, fan_out in case.layers
    ]
