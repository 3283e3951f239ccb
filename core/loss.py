"""What a loss is: a number that says how far an output is from its target, and its gradient."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import DTypeLike
from pydantic import Field

from core.arrays import Array, Call, Model, Shape, call
from core.classes import Scale
from core.op import Name

TargetType = Literal["number", "class"]


@dataclass
class LossSite:
    """Where a loss computes: output y (…, n), target t, and the gradient to write; the batch last, as in every op.

    `value` is a 0-d array of float64 (complex128 under the complex step) for the reduced, unweighted term.
    `sample_weight` is (n,) or None. `dy` is None in a plan without a backward pass.
    """

    y: Array
    t: Array
    dy: Array | None
    value: Array
    sample_weight: Array | None = None
    _scratch: dict[str, Array] = field(default_factory=dict)

    def scratch(self, name: str, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        """A work array that forward and backward share under `name`; made once, never cleared."""
        if name not in self._scratch:
            self._scratch[name] = np.zeros(shape, dtype or self.y.dtype)
        return self._scratch[name]


class Loss(Model):
    """One term of the objective: `weight` times the loss of node `input` against target `target`."""

    kind: str

    input: Name | None = None
    """Node (or network input) whose output is judged; the last layer when left out."""

    target: Name | None = None
    """Name of the target; the only one when left out."""

    weight: Annotated[float, Field(ge=0)] = 1.0
    """Factor of this term in the total."""

    reduction: Literal["mean", "sum"] = "mean"
    """Mean over the entries of the unreduced loss, or their sum."""

    sample_weight: list[Annotated[float, Field(ge=0)]] | Name | None = None
    """One factor an example: a list beside an inline batch, or the name of a column in a job."""

    has_free_units: ClassVar[bool] = False
    """Whether numbers can be learned in any units, so that a target may be standardized: most often, where only
    y − t counts."""

    least_target: ClassVar[float | None] = None
    """The smallest number that can be a target; None where any can."""

    output_scale: ClassVar[Scale | None] = None
    """What it takes outputs for, if they stand for probabilities; None for numbers and for mere scores."""

    chooses_one: ClassVar[bool] = True
    """Whether the probabilities on the last axis are of classes of which one holds; else each is of a yes."""

    @classmethod
    def examples(cls, generator: np.random.Generator) -> list[tuple[Self, Array, Array]]:
        """Losses of this kind with outputs (n, …) and targets as people write them; every loss is tested on these."""
        outputs, targets = generator.normal(size=(2, 4, 3))
        given: list[dict[str, object]] = [{}, {"reduction": "sum"}, {"weight": 0.3}]
        return [(cls.model_validate(fields), outputs, targets) for fields in given]

    @abstractmethod
    def target_type(self) -> TargetType:
        """Whether the target holds numbers or class indices."""

    @abstractmethod
    def target_shape(self, output: Shape) -> Shape:
        """Shape of one example's target for an output of this shape. Raises core.op.ShapeMismatch."""

    def random_targets(self, output: Shape, rows: int, generator: np.random.Generator) -> Array:
        """Targets (rows, …) such as this loss takes, of what it judges outputs (rows, *output) to be, with no sense.

        Classes are equally frequent; numbers are standard normal.
        """
        shape = (rows, *self.target_shape(output))
        if self.target_type() == "class":
            return generator.integers(0, output[-1], shape)
        if self.output_scale is None:
            return generator.normal(size=shape)
        if not self.chooses_one or output[-1] == 1:
            return generator.integers(0, 2, shape).astype(np.float64)
        return np.eye(output[-1])[generator.integers(0, output[-1], shape[:-1])]

    def prepare(self, site: LossSite) -> Sequence[Call]:
        """Calls that turn new targets and weights into what forward and backward read; none where that is t itself.

        They run once a batch, before either, and once for all where the batch never changes.
        """
        return ()

    def output_width(self, target_width: int) -> int:
        """Outputs that a target of this width needs on the last axis: as many, unless the loss says otherwise."""
        return target_width

    @property
    def gives_numbers(self) -> bool:
        """Whether `numbers` are estimates of the target, whose error can be measured."""
        return self.has_free_units

    def numbers(self, outputs: Array) -> Array:
        """The numbers like targets that outputs (n, …) stand for: themselves, unless the loss says otherwise."""
        return outputs

    def deviations(self, outputs: Array) -> Array | None:
        """The standard deviations of `numbers`, where outputs (n, …) tell them."""
        return None

    @abstractmethod
    def forward(self, site: LossSite) -> Sequence[Call]:
        """Calls that write `site.value` from `site.y` and `site.t`."""

    @abstractmethod
    def backward(self, site: LossSite) -> Sequence[Call]:
        """Calls that write `weight` · d value / dy into `site.dy`, whether or not forward has run before.

        Training takes slopes in every step, and values once an epoch.
        """

    @property
    def adds_up(self) -> bool:
        """Whether the mean over a split is the mean of its batches, each counted by its examples."""
        return self.reduction == "mean"

    def own_values(self, site: LossSite) -> Array:
        """What each example adds to the value, (n,), times n for a mean; `prepare` and `forward` have run.

        Where examples count alike that is the value of a batch of this example only.
        """
        examples = range(site.y.shape[-1])
        return np.array([_value_alone(self, site, slice(row, row + 1)) for row in examples])

    def kinks(self, site: LossSite) -> Sequence[Callable[[], Array]]:
        """Readings whose pattern changes where the slope has a jump or a bend; none for smooth losses."""
        return ()


def _value_alone(loss: Loss, site: LossSite, rows: slice) -> float:
    weights = None if site.sample_weight is None else site.sample_weight[rows]
    y, t = (np.ascontiguousarray(array[..., rows]) for array in (site.y, site.t))
    alone = LossSite(y, t, None, np.zeros_like(site.value), weights)
    for one in (*loss.prepare(alone), *loss.forward(alone)):
        one()
    return float(alone.value)


def weigh_examples(entries: Array, site: LossSite) -> Sequence[Call]:
    """Calls that multiply entries (…, n) by the weights of their examples; none where there are no weights."""
    return [] if site.sample_weight is None else [call(np.multiply, entries, site.sample_weight, entries)]
