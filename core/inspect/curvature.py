"""How does the objective bend, and how large a step does it bear?"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Model, Tensor
from core.errors import Invalid, Problem, pointer
from core.graph.graph import Graph
from core.inspection.batch import BatchQuestion, Posed
from core.inspection.by_example import by_example, meeting_node
from core.inspection.curvature_matrices import Matrices, is_small, matrices
from core.inspection.effort import MOST_OPERATIONS
from core.inspection.hessian import hessian_product
from core.inspection.lanczos import Ends, TraceEstimate, ends_of_spectrum, trace_estimate
from core.inspection.objective import flat_gradient, total
from core.inspection.question import Library
from core.inspection.rate import rate_in_use
from core.inspection.tensors import Shown, finite

MOST_HELD = 40_000_000
"""Numbers of the vectors that the search for eigenvalues holds."""

_OF_A_PRODUCT = 12
"""Forward passes that a product with the Hessian takes: forward and backward, in complex numbers."""


class AlongGradient(Model):
    """The objective along its own gradient g, where descent goes."""

    gradient_norm: float
    curvature: float | None
    """gᵀ H g / gᵀ g; null where there is no gradient."""

    best_step: float | None
    """gᵀ g / gᵀ H g, the learning rate with the largest decrease if the objective were quadratic; null where it does
    not bend upwards."""


class Stability(Model):
    """Whether plain gradient descent would stay in the valley it is in; Adam and its kind scale each entry anew."""

    bound: float | None
    """2 / largest eigenvalue: steps that are larger climb out of a quadratic; null where nothing bends upwards."""

    learning_rate: float | None
    """As asked, else the rate of the model at that epoch."""

    exceeded: bool | None
    """Whether the rate is above the bound; null where either is not known."""


class AlongDirection(Model):
    """The Hessian times a direction v of the request."""

    product: dict[str, dict[str, Shown]]
    """H v by node and parameter."""

    curvature: float | None
    """vᵀ H v."""


class SmallMatrix(Model):
    """A symmetric matrix over all P parameters."""

    eigenvalues: Shown
    """(P,), ascending."""

    trace: float
    diagonal: dict[str, dict[str, Shown]]
    """By node and parameter."""


class ExactHessian(SmallMatrix):
    """The Hessian of a small network."""

    asymmetry: float
    """The largest |H − Hᵀ| that was found: rounding, where the gradients are right."""


class CurvatureAnswer(Model):
    """Second derivatives H of the objective (loss and penalties) by the parameters, exact to rounding, in float64.

    They come by a complex step through the backward pass. On a kink, such as that of a ReLU, the slope counts as
    constant. What never learns, such as the row of a padding, has no curvature.
    """

    objective: float
    parameters: int
    """How many there are, P."""

    eigenvalues: Ends
    trace: TraceEstimate
    along_gradient: AlongGradient
    stability: Stability
    along_direction: AlongDirection | None = None
    """Where the request has a `direction`."""

    exact: ExactHessian | None = None
    """All of H, up to 500 parameters."""

    gauss_newton: SmallMatrix | None = None
    """Σ Jᵀ H_L J over the loss terms, up to 500 parameters: H_L are second derivatives of the loss by what it judges, J
    first derivatives of that. Penalties are left out. Never negative where the loss is convex."""

    fisher_diagonal: dict[str, dict[str, Shown]] | None = None
    """Mean over the examples of the squared gradient of their own losses (`per-example`), up to 500 parameters; null
    where they have none, as in a batch norm in training."""


class Curvature(BatchQuestion):
    """Second derivatives of the objective at one point, for one batch.

    `include` may name `params`: what there is entry by entry for small networks, which is given when it is left out.
    """

    question: Literal["curvature"] = "curvature"

    sentence: ClassVar[str] = "How does the objective bend, and how large a step does it bear?"

    eigenvalues: Annotated[int, Field(ge=1, le=20)] = 3
    """How many at each end of the spectrum."""

    steps: Annotated[int, Field(ge=2, le=300)] = 100
    """Products with the Hessian that the search for them may take; it ends when they are found."""

    probes: Annotated[int, Field(ge=2, le=1000)] = 32
    """Random vectors for the estimate of the trace."""

    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """To be compared with the bound; left out, the rate of the model at that epoch."""

    direction: dict[str, dict[str, Tensor]] | None = None
    """By node and parameter, as parameters stand in answers; what is left out is 0."""

    def work(self, library: Library) -> float:
        """Products with the Hessian, each forward and backward in complex numbers."""
        posed = self.pose(library)
        return self._operations(posed)

    def answer(self, library: Library) -> CurvatureAnswer:
        """Raises Invalid, also where the objective or its derivatives are not finite."""
        posed = self.pose(library)
        self._check(posed)
        bend = _Bend(posed, self.examples_place)
        direction = None if self.direction is None else self._direction(posed.graph)
        # Another stream than that of the parameters, which are drawn from the same seed.
        generator = np.random.default_rng([posed.seed, *b"curvature"])
        found = ends_of_spectrum(bend.product, bend.size, self.eigenvalues, generator, steps=self.steps)
        small = matrices(posed, bend.learns) if self._wants_matrices(posed) else None
        if small is not None:
            bend.require_finite(np.array([small.hessian, small.gauss_newton]), "a second derivative")
        return CurvatureAnswer(
            objective=bend.objective,
            parameters=bend.size,
            eigenvalues=found,
            trace=trace_estimate(bend.product, bend.size, self.probes, generator),
            along_gradient=bend.along_gradient(),
            stability=_stability(found, rate_in_use(self.subject, self.learning_rate, library)),
            along_direction=None if direction is None else bend.along(direction),
            exact=None if small is None else _exact(posed.graph, small),
            gauss_newton=None if small is None else _small(posed.graph, small.gauss_newton),
            fisher_diagonal=None if small is None else _fisher_diagonal(posed),
        )

    def _wants_matrices(self, posed: Posed) -> bool:
        if self.include is None:
            return is_small(posed)
        return bool(self.include)

    def _check(self, posed: Posed) -> None:
        """Raise Invalid where there is nothing to differentiate, or too much."""
        problems = []
        if not posed.has_targets:
            detail = "curvature needs targets: without them there is no loss that could bend"
            problems.append(Problem(self.targets_place, detail))
        if any(part != "params" for part in self.include or ()):
            problems.append(Problem("/include", "only `params` can be given here", allowed=["params"]))
        elif self.include and not is_small(posed):
            detail = f"the Hessian of {posed.graph.parameter_count:,} parameters is too large to be given"
            problems.append(Problem("/include", f"{detail}; leave `params` out", allowed=[]))
        size = posed.graph.parameter_count
        if not size:
            problems.append(Problem("/subject", "the network has no parameters by which anything could bend"))
        elif min(self.steps, size) * size > MOST_HELD:
            most = MOST_HELD // size
            advice = f"ask for {most} at most" if most >= 2 else "the network is too large"
            problems.append(Problem("/steps", f"so many vectors of {size:,} numbers do not fit; {advice}"))
        if not problems and self._operations(posed) > MOST_OPERATIONS:
            detail = f"this takes too long for {posed.examples.rows} examples; take fewer, or fewer steps and probes"
            problems.append(Problem(self.examples_place, detail))
        if problems:
            raise Invalid(problems)

    def _operations(self, posed: Posed) -> float:
        size = posed.graph.parameter_count
        steps = min(self.steps, size)
        products = steps + self.probes + 2 + (size if self._wants_matrices(posed) else 0)
        return products * _OF_A_PRODUCT * posed.operations + 8.0 * steps**2 * size

    def _direction(self, graph: Graph) -> Array:
        """The direction of the request as one vector. Raises Invalid."""
        flat = np.zeros(graph.parameter_count)
        views, problems = graph.views(flat), []
        for node, tensors in (self.direction or {}).items():
            for name, tensor in tensors.items():
                view = views.get(node, {}).get(name)
                at = pointer("direction", node, name)
                if view is None:
                    known = [f"{piece.node}.{piece.name}" for piece in graph.layout[:20]]
                    problems.append(Problem(at, "there is no such parameter", allowed=known, got=f"{node}.{name}"))
                elif view.shape != tensor.shape:
                    problems.append(Problem(at, f"must have shape {list(view.shape)}, not {list(tensor.shape)}"))
                else:
                    view[...] = tensor
        if problems:
            raise Invalid(problems)
        return flat


class _Bend:
    """The objective around a question's parameters, to second order."""

    def __init__(self, posed: Posed, place: str) -> None:
        self._posed, self._place = posed, place
        graph, done = posed.graph, posed.run()
        self.size = graph.parameter_count
        self.learns = _learning(graph)
        self.objective = float(total(graph, posed.parameters, done))
        self.gradient = flat_gradient(graph, posed.parameters, done)[: self.size]
        self.require_finite(np.asarray(self.objective), "the objective")
        self.require_finite(self.gradient, "the gradient")

    def product(self, direction: Array) -> Array:
        """H v, with rows and columns of what never learns set to 0. Raises Invalid where it is not finite."""
        found: Array = self.learns * hessian_product(self._posed, self.learns * direction)
        self.require_finite(found, "the curvature")
        return found

    def along_gradient(self) -> AlongGradient:
        length = float(np.linalg.norm(self.gradient))
        unit = self.gradient / length if length else self.gradient
        curvature = float(unit @ self.product(unit)) if length else None
        return AlongGradient(
            gradient_norm=length,
            curvature=curvature,
            best_step=finite(1.0 / curvature) if curvature is not None and curvature > 0 else None,
        )

    def along(self, direction: Array) -> AlongDirection:
        product = self.product(direction)
        return AlongDirection(
            product=_by_tensor(self._posed.graph, product), curvature=finite(float(direction @ product))
        )

    def require_finite(self, numbers: Array, what: str) -> None:
        """Raise Invalid where numbers, or the sum of their squares, are not finite."""
        with np.errstate(all="ignore"):
            is_finite = np.isfinite(np.square(numbers).sum())
        if not is_finite:
            detail = f"{what} is not finite for these examples, or its square is not; take examples of usual size"
            raise Invalid([Problem(self._place, detail)])


def _learning(graph: Graph) -> Array:
    """1 for every entry that learns, 0 for those that are kept from it."""
    learns = np.ones(graph.parameter_count)
    for piece in graph.layout:
        if piece.frozen is not None:
            learns[piece.start : piece.stop].reshape(piece.shape)[piece.frozen] = 0.0
    return learns


def _stability(found: Ends, learning_rate: float | None) -> Stability:
    top = found.largest[0].value
    bound = finite(2.0 / top) if top > 0 else None
    exceeded = None if bound is None or learning_rate is None else learning_rate > bound
    return Stability(bound=bound, learning_rate=learning_rate, exceeded=exceeded)


def _small(graph: Graph, matrix: Array) -> SmallMatrix:
    return SmallMatrix(
        eigenvalues=np.linalg.eigvalsh(matrix),
        trace=float(np.trace(matrix)),
        diagonal=_by_tensor(graph, np.diagonal(matrix).copy()),
    )


def _exact(graph: Graph, found: Matrices) -> ExactHessian:
    return ExactHessian(**dict(_small(graph, found.hessian)), asymmetry=found.asymmetry)


def _fisher_diagonal(posed: Posed) -> dict[str, dict[str, Shown]] | None:
    if meeting_node(posed) is not None:
        return None
    return _by_tensor(posed.graph, by_example(posed).squares / posed.examples.rows)


def _by_tensor(graph: Graph, flat: Array) -> dict[str, dict[str, Shown]]:
    return {node: dict(views) for node, views in graph.views(flat).items()}
