"""What an op is: one kind of node, with its hyper-parameters, shapes, parameters and the calls that compute it.

An op says its formulas once, as calls on given arrays. The plan binds them to buffers that live as long as the
plan; the interpreter binds them to fresh arrays and runs them at once. Both therefore compute the same thing, and
the tests hold the one against the other.

Examples lie side by side: the batch is the *last* axis of every activation, so that a value of shape (d,) is an array
(d, n) and an image of shape (c, h, w) an array (c, h, w, n). Then a row of ones below x makes a bias one more column
of the weights, a softmax reduces over rows, and windows of an image are long runs of memory: steps of small networks
took 1.5 to 3 times as long with the batch first. In the language of networks the batch is axis 0, as people write it.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import DTypeLike
from pydantic import Field

from core.arrays import Array, Call, Model, Shape, Tensor, size_of
from core.initializers import AnyInitializer
from core.per_example import ExampleGradients, Whole

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]*$")]

Effect = Literal["affine", "entrywise", "mixed"]


@dataclass(frozen=True)
class ParameterShape:
    """One parameter tensor of a node and the fans its initializer scales by."""

    shape: Shape
    fan_in: int
    fan_out: int
    is_bias: bool = False
    """Biases start at zero and are left out of penalties and of max-norm unless named.

    So are gains: a weight is pulled to 0 to say less, and a gain says nothing less at 0 than at 1.
    """

    start: float | tuple[float, ...] | None = None
    """What every entry starts at instead of being drawn, such as 1 for a gain; several numbers are for as many equal
    blocks along the last axis, such as the biases of gates."""

    unit_axis: int = -1
    """The axis along which the units lie; what feeds one unit is bounded together by max-norm."""

    frozen: int | None = None
    """A row that no gradient reaches, such as that of padding; it starts at 0 unless given."""

    @property
    def is_drawn(self) -> bool:
        """Whether an initializer decides how it starts."""
        return self.start is None and not self.is_bias


@dataclass(frozen=True)
class StateShape:
    """One tensor that an op remembers from step to step beside its parameters, such as a running mean."""

    shape: Shape
    start: float

    least: float | None = None
    """The smallest number that may stand in it, such as 0 in a variance."""


@dataclass
class Site:
    """Where an op computes: the arrays of one node in one plan, the batch last in every activation.

    `x` may lie in memory in any order; `y`, `dy`, `dx`, `params`, `dparams` and `state` are C-contiguous. `dx` holds
    None for an input whose gradient nobody asks for; `dparams` likewise.
    """

    x: tuple[Array, ...]
    y: Array
    dy: Array | None
    dx: tuple[Array | None, ...]
    params: Mapping[str, Array]
    dparams: Mapping[str, Array | None]
    x_and_one: tuple[Array | None, ...] = ()
    """For an x of shape (d, n) the array (d + 1, n) that it is the upper part of, with ones in the last row."""

    state: Mapping[str, Array] = field(default_factory=dict)
    """What the op remembers; moved in place by forward in training mode, only read in evaluation."""

    training: bool = False
    generator: np.random.Generator | None = None
    """Source of an op's own randomness in training mode; the plan seeds it anew for each epoch."""

    _scratch: dict[str, Array] = field(default_factory=dict)

    def scratch(self, name: str, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        """A work array that forward and backward share under `name`; made once, never cleared."""
        if name not in self._scratch:
            self._scratch[name] = np.zeros(shape, dtype or self.y.dtype)
        return self._scratch[name]


class ShapeMismatch(Exception):
    """The shapes that reach a node do not fit its op; the message says which and what would fit."""


class Op(Model):
    """One node of a network: `op` names the kind, the other fields are its hyper-parameters."""

    op: str

    id: Name | None = None
    """Name of the node, unique in the network."""

    inputs: Annotated[list[Name], Field(max_length=1000)] | None = None
    """What feeds the node: ids of nodes or names of network inputs."""

    share: Name | None = None
    """Id of a node of the same op whose parameters this one uses too; their gradients add up under the owner."""

    params: dict[str, Tensor] | None = None
    """Explicit starting values."""

    init: AnyInitializer | None = None
    """How weights start when `params` does not give them."""

    state: dict[str, Tensor] | None = None
    """Explicit starting values of what the op remembers, such as running statistics."""

    arity: ClassVar[int | None] = 1
    """How many inputs the op takes; None for one or more."""

    rectifies: ClassVar[bool] = False
    """Whether it stops about half of the signal, so that weights before it should start twice as varied (He 2015)."""

    steepest: ClassVar[float | None] = None
    """The largest slope of an activation that saturates at both ends, where it hardly passes a gradient on."""

    is_activation: ClassVar[bool] = False
    """Whether it bends what a layer gives: what feeds it is then called a pre-activation z, and its value a."""

    bounds: ClassVar[tuple[float | None, float | None]] = (None, None)
    """The least and the largest number that its value can be; None where there is no such number."""

    only_moves: ClassVar[bool] = False
    """Whether the entries of its value are entries of its input, picked or put into another shape."""

    normalizes: ClassVar[bool] = False
    """Whether it brings its input to one size, so that what is behind it does not shrink or grow with depth."""

    is_random: ClassVar[bool] = False
    """Whether it draws random numbers in training mode."""

    compares_examples: ClassVar[bool] = False
    """Whether in training mode the output of one example depends on the others of its batch."""

    reads_channels: ClassVar[bool] = False
    """Whether the first axis of an example counts channels, as in images, and not steps, as in sequences."""

    takes_integers: ClassVar[bool] = False
    """Whether its inputs are whole numbers from 0, such as token ids; they come from outside and have no gradient."""

    effect: ClassVar[Effect] = "mixed"
    """How y depends on x in evaluation, the parameters being what they are: `affine`, y = A x + c, so that backward
    carries differences as exactly as slopes; `entrywise`, each entry of y on the same entry of x alone; or neither."""

    shaping: ClassVar[tuple[str, ...]] = ()
    """Hyper-parameters that the shapes of the parameters tell: None until explicit `params`, or the owner of shared
    ones, settles them."""

    explanation: ClassVar[str] = ""
    """One sentence and the formula, as shown to people."""

    @classmethod
    def examples(cls) -> list[tuple[Self, list[Shape]]]:
        """Nodes of this kind with the shapes that feed them; what holds of every op is tested on these."""
        return [(cls.model_validate({}), [(3,)])]

    def settled(self) -> Self:
        """The same op with the hyper-parameters that its explicit parameters decide written out."""
        return self

    def settled_like(self, owner: "Op") -> Self:
        """The same op with what its parameters would tell taken from the node whose parameters it uses."""
        told = {name: getattr(owner, name) for name in self.shaping if getattr(self, name) is None}
        return self.model_copy(update=told) if told else self

    @abstractmethod
    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Shape of one example's output. Raises ShapeMismatch."""

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, ParameterShape]:
        """The parameters of the node, in the order they lie in the flat vector; none unless the op says so."""
        return {}

    def state_shapes(self, inputs: Sequence[Shape]) -> dict[str, StateShape]:
        """What the node remembers; nothing unless the op says so."""
        return {}

    def index_limit(self) -> int | None:
        """How many whole numbers it knows, for an op that takes them: its inputs are less than that."""
        return None

    def least_batch(self, inputs: Sequence[Shape]) -> int:
        """How many examples a batch needs in training to be told apart; 1 unless the op compares examples."""
        return 1

    @abstractmethod
    def forward(self, site: Site) -> Sequence[Call]:
        """Calls that write `site.y` from `site.x`."""

    @abstractmethod
    def backward(self, site: Site) -> Sequence[Call]:
        """Calls that write every `site.dx` and `site.dparams` that is not None from `site.dy`."""

    @property
    def dies(self) -> bool:
        """Whether a unit whose value is above 0 for no example passes no gradient on, and so may stay like that.

        Not every op that rectifies: what still has a slope below 0 lets its unit come back.
        """
        return False

    def kinks(self, site: Site) -> Sequence[Callable[[], Array]]:
        """Readings whose pattern changes where the op is not differentiable; none for smooth ops."""
        return ()

    def example_gradients(self, site: Site) -> Mapping[str, ExampleGradients]:
        """The gradient of every parameter by each example, after forward and backward, where no examples are compared.

        An op that does not know them asks its own backward about one example after the other.
        """
        return _one_by_one(self, site)

    def example_numbers(self, inputs: Sequence[Shape]) -> int:
        """Numbers that `example_gradients` holds for each example: as many as there are parameters."""
        return sum(size_of(spec.shape) for spec in self.parameter_shapes(inputs).values())

    def flops(self, inputs: Sequence[Shape]) -> int:
        """Floating-point operations of one example's forward pass."""
        size = 1
        for axis in self.output_shape(inputs):
            size *= axis
        return size


def _one_by_one(op: Op, site: Site) -> Mapping[str, ExampleGradients]:
    examples = site.y.shape[-1]
    found = {name: np.zeros((examples, param.size), param.dtype) for name, param in site.params.items()}
    for example in range(examples):
        alone = _alone(site, slice(example, example + 1))
        for forward in op.forward(alone):
            forward()
        for backward in op.backward(alone):
            backward()
        for name, gradient in alone.dparams.items():
            assert gradient is not None
            found[name][example] = gradient.reshape(-1)
    return {name: Whole(rows) for name, rows in found.items()}


def _alone(site: Site, rows: slice) -> Site:
    """A site of its own for some examples, which asks for the gradients of the parameters only."""
    assert site.dy is not None
    return Site(
        x=tuple(np.ascontiguousarray(x[..., rows]) for x in site.x),
        y=np.zeros_like(site.y[..., rows], order="C"),
        dy=np.ascontiguousarray(site.dy[..., rows]),
        dx=(None,) * len(site.x),
        params=site.params,
        dparams={name: np.zeros_like(param) for name, param in site.params.items()},
        state={name: array.copy() for name, array in site.state.items()},
        training=site.training,
    )


def has_bias(params: Mapping[str, Array] | None) -> bool:
    """Whether a node that does not say so has a bias b: it has, unless its explicit W stands without one."""
    return params is None or "W" not in params or "b" in params


def same_shape(inputs: Sequence[Shape]) -> Shape:
    """The one shape that all inputs have. Raises ShapeMismatch."""
    first, *others = inputs
    for shape in others:
        if shape != first:
            raise ShapeMismatch(f"needs inputs of one shape, and gets {list(first)} and {list(shape)}")
    return first
