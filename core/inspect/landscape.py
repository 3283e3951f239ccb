"""How does the loss look around a point: along its gradient, on the way to another point, or over a plane?"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Discriminator, Field, Tag

from core.arrays import Array, Model
from core.errors import Invalid, Problem, pointer
from core.inspection.batch import BatchQuestion, Posed, refuse_parts
from core.inspection.effort import effort_of_pass, refuse_beyond_patience
from core.inspection.given_parameters import GivenParameters, flat_parameters
from core.inspection.objective import flat_gradient, total
from core.inspection.plane import Plane, filter_normalized, principal_plane, random_directions
from core.inspection.question import Library
from core.inspection.tensors import NonFinite, Shown, non_finite

MOST_POSITIONS = 1001
MOST_ON_A_SIDE = 101
MOST_TRAVELED = 50_000_000
"""Numbers that the kept checkpoints of a run may be."""

Number = Annotated[float, Field(ge=-1e9, le=1e9)]
Positions = Annotated[list[Number], Field(min_length=1, max_length=MOST_POSITIONS)]
Side = Annotated[list[Number], Field(min_length=1, max_length=MOST_ON_A_SIDE)]


class AlongGradient(Model):
    """w − r ∇L(w): where one step of plain gradient descent would lead with rate r."""

    kind: Literal["gradient"] = "gradient"

    rates: Positions | None = None
    """Left out, 0 and 26 rates from 1e-4 to 10."""

    distances: Positions | None = None
    """Instead of rates: lengths of the step, r |∇L|."""


class AlongLine(Model):
    """(1 − t) w + t w′ between two points of the same network."""

    kind: Literal["line"]

    to: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """For a model: reference of the other, such as another epoch of its run."""

    to_parameters: GivenParameters | None = None
    """Instead: all parameters of the other point."""

    positions: Positions | None = None
    """Values of t; left out, 21 from 0 to 1."""

    state: Literal["interpolated", "first"] = "interpolated"
    """Running statistics on the way: in between like the parameters (t held between 0 and 1), or those of the first."""


class OverPlane(Model):
    """w + a d₁ + b d₂."""

    kind: Literal["plane"]

    directions: Annotated[
        Annotated[Literal["random", "trajectory"], Tag("by rule")]
        | Annotated[list[GivenParameters], Field(min_length=2, max_length=2), Tag("given")],
        Discriminator(lambda value: "given" if isinstance(value, list) else "by rule"),
    ] = "random"
    """`random` from the seed, `trajectory` for the first two principal components of the kept checkpoints of a run, or
    two directions by node and parameter."""

    normalize: bool | None = None
    """Whether the direction of the weights into each unit gets the length of those weights, and biases and gains stay;
    left out, unless the directions are those of the trajectory."""

    alpha: Side | None = None
    """Values of a; left out, 11 from −1 to 1, or so many that the whole trajectory is seen."""

    beta: Side | None = None
    """Values of b, likewise."""

    give_directions: bool = False
    """Whether the answer holds the directions as they were used."""


class Traveled(Model):
    """One kept checkpoint of the run, seen from the plane."""

    epoch: int
    alpha: float | None
    """null, as the other numbers, where the checkpoint is not finite."""

    beta: float | None
    beside: float | None
    """Its distance from the plane."""

    loss: float | None
    """Of the batch at the checkpoint itself, with its own state."""


class Lowest(Model):
    """The best of the positions."""

    position: list[float]
    """Rate, t, or (a, b)."""

    loss: float


class LandscapeAnswer(Model):
    """The objective of the batch at each position; null where it is not finite."""

    kind: Literal["gradient", "line", "plane"]
    positions: list[float]
    """Rates, values of t, or of a."""

    beta: list[float] | None = None
    """Values of b, for a plane."""

    loss: Shown
    """The objective, penalties included: one number a position, or `loss[a][b]`."""

    data_loss: Shown
    """The same without penalties."""

    lowest: Lowest | None
    state: str
    """Which state (running statistics) the network had at the positions; `none` where it remembers nothing."""

    gradient_norm: float | None = None
    distances: list[float] | None = None
    """Along the gradient: how long each step is."""

    barrier: float | None = None
    """On a line with t from 0 to 1: the highest loss above the straight line between the losses of its ends."""

    directions: list[dict[str, dict[str, Shown]]] | None = None
    explained_variance: list[float] | None = None
    """Of the directions of a trajectory: the share of the variance of the checkpoints."""

    trajectory: list[Traveled] | None = None
    """Of a model over a plane: every kept checkpoint of its run, the first epoch first."""

    non_finite: list[NonFinite]


class Landscape(BatchQuestion):
    """The loss of the batch at many points around the subject's parameters."""

    question: Literal["landscape"] = "landscape"

    sentence: ClassVar[str] = "How does the loss look along the gradient, between two models, or over a plane?"

    along: Annotated[AlongGradient | AlongLine | OverPlane, Field(discriminator="kind")] = AlongGradient()
    """Where to look."""

    def work(self, library: Library) -> float:
        """A forward pass for each position. Raises Invalid."""
        return _View(self, library).effort()

    def answer(self, library: Library) -> LandscapeAnswer:
        """Raises Invalid."""
        view = _View(self, library)
        refuse_beyond_patience(view.effort(), self.examples_place, "ask for fewer examples or positions")
        match self.along:
            case AlongGradient():
                return view.along_gradient(self.along)
            case AlongLine():
                return view.along_line(self.along)
            case OverPlane():
                return view.over_plane(self.along)


@dataclass(frozen=True)
class _Checkpoint:
    epoch: int
    parameters: Array


class _View:
    """One question with everything looked up."""

    def __init__(self, question: Landscape, library: Library) -> None:
        refuse_parts(question)
        self.question, self._library = question, library
        self.posed: Posed = question.pose(library)
        if not self.posed.has_targets:
            raise Invalid([Problem(question.targets_place, "a landscape is of a loss: the batch needs targets")])

    def effort(self) -> float:
        """Operations of the answer; a run is taken to have kept a hundred checkpoints."""
        along = self.question.along
        match along:
            case AlongGradient():
                count = len(along.rates or along.distances or range(27))
            case AlongLine():
                count = len(along.positions or range(21))
            case OverPlane():
                count = len(along.alpha or range(11)) * len(along.beta or range(11)) + 100
        return (count + 3) * effort_of_pass(self.posed.graph, self.posed.examples.rows, backward=False)

    def along_gradient(self, along: AlongGradient) -> LandscapeAnswer:
        if along.rates is not None and along.distances is not None:
            raise Invalid([Problem("/along/distances", "give either `rates` or `distances`")])
        posed = self.posed
        gradient = flat_gradient(posed.graph, posed.parameters, posed.run())
        with np.errstate(all="ignore"):
            norm = float(np.linalg.norm(gradient))
        if not 0 < norm < np.inf:
            raise Invalid([Problem("/along", f"the gradient has the length {norm}: it points nowhere")])
        rates = along.rates if along.rates is not None else [0.0, *np.geomspace(1e-4, 10.0, 26).tolist()]
        if along.distances is not None:
            rates = [distance / norm for distance in along.distances]
        points = (posed.parameters - rate * gradient for rate in rates)
        return self._answer(
            rates,
            *self._losses(points),
            kind="gradient",
            state=self._state("that of the subject everywhere"),
            gradient_norm=norm,
            distances=[rate * norm for rate in rates],
        )

    def along_line(self, along: AlongLine) -> LandscapeAnswer:
        """Source: Goodfellow et al. 2015, "Qualitatively characterizing neural network optimization problems"; the
        barrier: Frankle et al. 2020, "Linear mode connectivity and the lottery ticket hypothesis", section 2.
        """
        first, second = self.posed.parameters, self._other_end(along)
        positions = along.positions if along.positions is not None else np.linspace(0, 1, 21).tolist()
        count = self.posed.graph.parameter_count
        interpolates = along.state == "interpolated"

        def points() -> Iterator[Array]:
            for t in positions:
                held = min(max(t, 0.0), 1.0) if interpolates else 0.0
                shares = np.where(np.arange(len(first)) < count, t, held)
                yield (1 - shares) * first + shares * second

        loss, data_loss = self._losses(points())
        between = "between those of the ends like the parameters" if interpolates else "that of the first end"
        return self._answer(
            positions, loss, data_loss, kind="line", state=self._state(between), barrier=_barrier(positions, loss)
        )

    def _other_end(self, along: AlongLine) -> Array:
        if (along.to is None) == (along.to_parameters is None):
            raise Invalid([Problem("/along/to", "give the other end, as `to` or as `to_parameters`")])
        graph = self.posed.graph
        if along.to_parameters is not None:
            return flat_parameters(graph, self.posed.parameters, along.to_parameters, "/along/to_parameters")
        assert along.to is not None
        try:
            other = self._library.model(along.to)
        except Invalid as error:
            raise Invalid(Problem("/along/to", one.detail, got=along.to) for one in error.problems) from error
        if (graph.layout, graph.state_layout) != (other.graph.layout, other.graph.state_layout):
            detail = "is another network: a line is between points of the same nodes and shapes"
            raise Invalid([Problem("/along/to", detail, got=along.to)])
        return other.parameters.astype(np.float64)

    def over_plane(self, along: OverPlane) -> LandscapeAnswer:
        """Source: Li et al. 2018, "Visualizing the loss landscape of neural nets", sections 4 and 7."""
        posed = self.posed
        way = self._way()
        plane = self._plane(along, way)
        seen = [plane.project(self._difference(one)) for one in way]
        is_trajectory = along.directions == "trajectory"
        alpha = along.alpha or _side([a for a, _, _ in seen] if is_trajectory else [])
        beta = along.beta or _side([b for _, b, _ in seen] if is_trajectory else [])
        points = (plane.point(posed.parameters, a, b) for a, b in product(alpha, beta))
        loss, data_loss = (found.reshape(len(alpha), len(beta)) for found in self._losses(points))
        traveled, _ = self._losses(one.parameters for one in way)
        trajectory = [
            Traveled(epoch=one.epoch, alpha=_finite(a), beta=_finite(b), beside=_finite(beside), loss=_finite(at))
            for one, (a, b, beside), at in zip(way, seen, traveled.tolist(), strict=True)
        ]
        return self._answer(
            alpha,
            loss,
            data_loss,
            kind="plane",
            beta=beta,
            state=self._state("that of the subject everywhere on the plane"),
            directions=self._shown_directions(plane) if along.give_directions else None,
            explained_variance=plane.explained_variance,
            trajectory=None if self.question.subject.model is None else trajectory,
        )

    def _way(self) -> list[_Checkpoint]:
        """The kept checkpoints of the run of a model; of a network there are none."""
        model = self.question.subject.model
        if model is None:
            return []
        kept = sorted(self._library.history(model).checkpoints.items())
        if len(kept) * self.posed.graph.size > MOST_TRAVELED:
            kept = kept[-max(1, MOST_TRAVELED // self.posed.graph.size) :]
        return [_Checkpoint(epoch, read().astype(np.float64)) for epoch, read in kept]

    def _difference(self, one: _Checkpoint) -> Array:
        return (one.parameters - self.posed.parameters)[: self.posed.graph.parameter_count]

    def _plane(self, along: OverPlane, way: list[_Checkpoint]) -> Plane:
        graph, parameters = self.posed.graph, self.posed.parameters
        if along.directions == "trajectory":
            if self.question.subject.model is None:
                detail = "only the run of a model has a trajectory"
                raise Invalid([Problem("/along/directions", detail, allowed=["random"])])
            plane = principal_plane([self._difference(one) for one in way])
            if not along.normalize:
                return plane
            normalized = [filter_normalized(graph, one, parameters) for one in plane.directions]
            return Plane(np.array(normalized), plane.explained_variance)
        if along.directions == "random":
            directions = random_directions(graph, self.question.seed)
        else:
            given = enumerate(along.directions)
            flat = [flat_parameters(graph, parameters, one, pointer("along", "directions", i)) for i, one in given]
            directions = np.array(flat)[:, : graph.parameter_count]
        if along.normalize is not False:
            directions = np.array([filter_normalized(graph, one, parameters) for one in directions])
        return Plane(directions)

    def _shown_directions(self, plane: Plane) -> list[dict[str, dict[str, Shown]]]:
        views = (self.posed.graph.views(one) for one in plane.directions)
        return [{node: dict(tensors) for node, tensors in one.items()} for one in views]

    def _losses(self, points: Iterable[Array]) -> tuple[Array, Array]:
        """The objective and the data term at each point."""
        graph = self.posed.graph
        found = []
        with np.errstate(all="ignore"):
            for parameters in points:
                done = self.posed.run(parameters, backward=False)
                found.append((float(total(graph, parameters, done)), float(done.loss(graph))))
        loss, data_loss = np.array(found).reshape(-1, 2).T
        return loss, data_loss

    def _state(self, which: str) -> str:
        if not self.posed.graph.state_layout:
            return "none"
        return "that of the batch itself, as in training" if self.posed.training else which

    def _answer(self, positions: list[float], loss: Array, data_loss: Array, **found: object) -> LandscapeAnswer:
        arrays = {"loss": loss, "data_loss": data_loss}
        beta = found.get("beta")
        return LandscapeAnswer.model_validate(
            {
                "positions": positions,
                **arrays,
                "lowest": _lowest(positions, beta if isinstance(beta, list) else None, loss),
                "non_finite": non_finite((pointer(name), array) for name, array in arrays.items()),
                **found,
            }
        )


def _lowest(positions: list[float], beta: list[float] | None, loss: Array) -> Lowest | None:
    if not np.isfinite(loss).any():
        return None
    first, *second = np.unravel_index(np.nanargmin(np.where(np.isfinite(loss), loss, np.nan)), loss.shape)
    others = [beta[second[0]]] if beta is not None else []
    return Lowest(position=[positions[first], *others], loss=float(loss[(first, *second)]))


def _barrier(positions: list[float], loss: Array) -> float | None:
    """None unless both ends are among the positions and finite."""
    if 0.0 not in positions or 1.0 not in positions or not np.isfinite(loss).all():
        return None
    t = np.array(positions)
    line = (1 - t) * loss[positions.index(0.0)] + t * loss[positions.index(1.0)]
    return float((loss - line)[(t >= 0) & (t <= 1)].max())


def _side(seen: list[float]) -> list[float]:
    """Eleven positions from −1 to 1, or over all that is to be seen and a tenth beside it."""
    seen = [one for one in seen if np.isfinite(one)]
    low, high = (min(seen, default=-1.0), max(seen, default=1.0))
    margin = 0.1 * (high - low) if seen else 0.0
    return [float(one) for one in np.linspace(low - margin, high + margin, 11)]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
