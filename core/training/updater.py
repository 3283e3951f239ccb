"""An optimizer bound to the flat vectors of a run, and its memory."""

from collections.abc import Mapping

import numpy as np

from core.arrays import Array, Call
from core.optimizer import Optimizer, OptimizerSite

STRETCH = 32_768
"""Parameters updated at a time: θ, g and Adam's two slots of a stretch stay in a 1 MB cache (0.5 MB in float32)."""

WHOLE_BELOW = 100_000
"""Below this one pass over the whole vector is faster, since each call has its own cost."""


def memory_of(optimizer: Optimizer, parameters: Array) -> dict[str, Array]:
    """What the optimizer remembers before its first step."""
    vectors = {name: np.full_like(parameters, start) for name, start in optimizer.slots().items()}
    return vectors | {name: np.zeros((), np.int64) for name in optimizer.counters()}


class Updater:
    """The update calls of one optimizer over one parameter vector."""

    def __init__(self, optimizer: Optimizer, parameters: Array, gradient: Array) -> None:
        self.optimizer = optimizer
        self.slots = memory_of(optimizer, parameters)
        self._scalars = {name: np.zeros((), parameters.dtype) for name in optimizer.scalars(1, 0.0)}
        self.calls = self._bind(parameters, gradient)

    def prepare(self, step: int, learning_rate: float) -> None:
        """Set the numbers of a step, counted from 1; `calls` then move the parameters once."""
        for name, value in self.optimizer.scalars(step, learning_rate).items():
            self._scalars[name][...] = value

    def restore(self, slots: Mapping[str, Array]) -> None:
        """Put back what a checkpoint remembered."""
        for name, slot in self.slots.items():
            slot[...] = slots[name]

    def _bind(self, parameters: Array, gradient: Array) -> list[Call]:
        size = len(parameters)
        length = size if size <= WHOLE_BELOW or self.optimizer.needs_whole_vector else STRETCH
        calls: list[Call] = []
        workspace: dict[str, Array] = {}
        for start in range(0, size, max(length, 1)):
            stretch = slice(start, start + length)
            slots = {name: slot[stretch] if slot.ndim else slot for name, slot in self.slots.items()}
            site = OptimizerSite(parameters[stretch], gradient[stretch], slots, self._scalars, workspace)
            calls += self.optimizer.update(site)
        return calls
