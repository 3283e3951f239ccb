"""What an optimizer is: a rule that moves the flat parameter vector against its gradient."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from core.arrays import Array, Call, Model


@dataclass
class OptimizerSite:
    """Where an optimizer works: a stretch of the flat parameter vector θ, its gradient, and its own memory.

    `slots` are vectors as long as θ, and 0-d arrays for its counters, that live from step to step and into every
    checkpoint. `scalars` are 0-d arrays
    of θ's type, set before each step to what `Optimizer.scalars` says: a 0-d operand costs 0.22 µs, a float 0.50.
    """

    parameters: Array
    gradient: Array
    slots: Mapping[str, Array]
    scalars: Mapping[str, Array]
    workspace: dict[str, Array] = field(default_factory=dict)
    """Shared by the stretches of one vector, of which the first is the longest."""

    def scratch(self, name: str) -> Array:
        """A work vector as long as θ, the same memory for every stretch of one vector."""
        if name not in self.workspace:
            self.workspace[name] = np.zeros_like(self.parameters)
        return self.workspace[name][: len(self.parameters)]


class Optimizer(Model):
    """An update rule and its hyper-parameters."""

    kind: str

    learning_rate: Annotated[float, Field(gt=0)]
    """Step size before the schedule."""

    usual_rates: ClassVar[tuple[float, float]] = (1e-6, 1.0)
    """Between these its learning rate mostly is, where inputs are of order 1 (Bengio 2012, section 3.1.1)."""

    needs_whole_vector: ClassVar[bool] = False
    """Whether a step needs sums over all parameters, so that it cannot be taken in stretches."""

    rescales: ClassVar[bool] = False
    """Whether a step is about as long whatever the size of the gradient, since each entry is divided by its own."""

    @abstractmethod
    def slots(self) -> dict[str, float]:
        """Names of the vectors the rule remembers, each with its starting value."""

    def counters(self) -> Sequence[str]:
        """Names of the whole numbers that the rule remembers beside them, each from 0; none unless it says so."""
        return ()

    @abstractmethod
    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        """The numbers of this step (from 1), e.g. bias corrections; always under the same names."""

    @property
    def is_steady(self) -> bool:
        """Whether the numbers of a step depend on the learning rate alone, so that an epoch sets them once."""
        return False

    @abstractmethod
    def update(self, site: OptimizerSite) -> Sequence[Call]:
        """Calls that move `site.parameters`; the gradient may be overwritten."""
