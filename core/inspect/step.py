"""What would one update do? Predicted and actual decrease for any optimizer and rate, and where rates climb."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from core.arrays import Array, Model
from core.errors import Invalid, Problem, pointer
from core.graph.interpreter import Pass
from core.inspection.batch import BatchQuestion, Posed
from core.inspection.effort import MOST_OPERATIONS
from core.inspection.hessian import hessian_product
from core.inspection.objective import flat_gradient, objective, total
from core.inspection.question import Library
from core.inspection.tensors import NonFinite, Shown, finite, non_finite
from core.optimizer import Optimizer
from core.optimizers import AnyOptimizer
from core.optimizers.sgd import Sgd
from core.training.step import norm
from core.training.updater import Updater

MOST_RATES = 20
MOST_POINTS = 200
MOST_NUMBERS = 20_000_000
"""Parameters after all updates together, if they are asked for."""

OF_A_RATE = 15
"""Forward passes that one rate costs: its own, and a forward and backward pass with complex numbers."""

OF_A_PARAMETER = 40
"""Operations that could be done in the time it takes to move one parameter."""

MOST_REMEMBERED = 60_000_000
"""Numbers that a fresh optimizer may need to remember for the network: three for each of 20 million parameters."""

Rates = Annotated[list[float], Field(min_length=1, max_length=MOST_RATES)] | Annotated[float, Field(gt=0)]


class SweepRange(Model):
    """Learning rates at equal ratios."""

    start: Annotated[float, Field(gt=0, alias="from")] = 1e-5
    """The smallest."""

    stop: Annotated[float, Field(gt=0, alias="to")] = 10.0
    """The largest."""

    points: Annotated[int, Field(ge=2, le=MOST_POINTS)] = 31

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.start >= self.stop:
            raise ValueError("`from` must be less than `to`")
        return self

    def rates(self) -> list[float]:
        """All of them, the ends exactly as they were given."""
        between = np.geomspace(self.start, self.stop, self.points)[1:-1]
        return [self.start, *between.tolist(), self.stop]


class Tried(Model):
    """One update Δ of all parameters at one learning rate; decreases are of the objective, penalties included."""

    learning_rate: float
    update_norm: float | None
    """L2 of Δ."""

    predicted_decrease: float | None
    """First order: −g · Δ with g the gradient. For plain descent this is learning_rate · |g|²."""

    second_order_decrease: float | None
    """Second order: −(g · Δ + ½ Δᵀ H Δ) with the exact product of the Hessian and Δ, by a complex step."""

    decrease: float | None
    """What came: loss before − loss after."""

    loss: float | None
    """After the update; null where it is not finite."""

    params: dict[str, dict[str, Shown]] | None
    """The parameters after the update, by node and name, if `include` names them."""


class Sweep(Model):
    """The loss after one update at each of many learning rates."""

    learning_rates: list[float]
    losses: list[float | None]
    """null where the loss is not finite."""

    diverges_at: float | None
    """The first rate from which on every loss is above that of the start or not finite; null if the last is below."""


class StepAnswer(Model):
    """One update of an optimizer that remembers nothing yet, tried out at several learning rates."""

    optimizer: AnyOptimizer
    """With every hyper-parameter written out."""

    loss: float
    """The objective before: weighted loss terms plus penalties."""

    loss_terms: list[float | None]
    """Before their weights."""

    penalties: list[float | None]
    gradient_norm: float | None
    """L2 of d objective / d parameters."""

    steps: list[Tried]
    """For each of `learning_rates`, in their order."""

    sweep: Sweep | None
    best_learning_rate: float | None
    """Of all rates tried, the one with the smallest loss; null where none is below that of the start."""

    best_loss: float | None
    non_finite: list[NonFinite]
    """Every array here with an infinity or a NaN in it."""


class Step(BatchQuestion):
    """A first update that is tried out and thrown away.

    `include` may name `params`, to see where each update leads. With mode `training` every loss is that of the same
    dropped units and of the statistics of this batch.
    """

    question: Literal["step"] = "step"

    sentence: ClassVar[str] = (
        "How much would one update lower the loss, as predicted and in fact, at any learning rate?"
    )

    optimizer: AnyOptimizer = Sgd()
    """Starts without memory, as in the first step of a job."""

    learning_rates: (
        Annotated[
            list[Annotated[float, Field(gt=0)]],
            Field(min_length=1, max_length=MOST_RATES),
            BeforeValidator(
                lambda given: [given] if type(given) in {int, float} else given, json_schema_input_type=Rates
            ),
        ]
        | None
    ) = None
    """One or several; left out, that of the optimizer."""

    sweep: SweepRange | None = None
    """Rates for which only the loss is computed, from small to large."""

    def work(self, library: Library) -> float:
        """The passes of every rate. Raises Invalid."""
        return self._operations(self.pose(library))

    def answer(self, library: Library) -> StepAnswer:
        """Raises Invalid, also where there is no loss to lower."""
        posed = self.pose(library)
        self._check(posed)
        trial = _Trial(posed, self.optimizer)
        self._require_finite(trial)
        before = objective(posed.graph, posed.parameters, trial.done)
        tried = [self._tried(trial, rate) for rate in self._rates()]
        steps = [step for step, _ in tried]
        sweep = None if self.sweep is None else _swept(trial, self.sweep.rates())
        best = _best(trial.start, steps, sweep)
        return StepAnswer(
            optimizer=self.optimizer,
            loss=trial.start,
            loss_terms=[finite(term) for term in before.loss_terms],
            penalties=[finite(term) for term in before.penalties],
            gradient_norm=finite(_length(trial.gradient)),
            steps=steps,
            sweep=sweep,
            best_learning_rate=best[1] if best else None,
            best_loss=best[0] if best else None,
            non_finite=[
                NonFinite(pointer=pointer("steps", index) + strange.pointer, count=strange.count)
                for index, (_, found) in enumerate(tried)
                for strange in found
            ],
        )

    def _rates(self) -> list[float]:
        return self.learning_rates or [self.optimizer.learning_rate]

    def _tried(self, trial: "_Trial", rate: float) -> tuple[Tried, list[NonFinite]]:
        """One update, and what is not finite in the parameters that are shown."""
        after = trial.moved(rate)
        first, second = trial.predicted(after)
        loss = trial.loss(after)
        views = trial.posed.graph.views(after) if "params" in (self.include or ()) else {}
        tried = Tried(
            learning_rate=rate,
            update_norm=finite(_length(trial.update(after))),
            predicted_decrease=finite(first),
            second_order_decrease=finite(second),
            decrease=finite(trial.start - loss),
            loss=finite(loss),
            params={node: dict(found) for node, found in views.items()} or None,
        )
        places = (
            (pointer("params", node, name), view) for node, found in views.items() for name, view in found.items()
        )
        return tried, non_finite(places)

    def _operations(self, posed: Posed) -> float:
        rates, points = len(self._rates()), self.sweep.points if self.sweep else 0
        passes = posed.operations * (3 + OF_A_RATE * rates + points)
        each = (OF_A_PARAMETER + 4 * len(self.optimizer.slots())) * posed.graph.parameter_count
        return passes + each * (rates + points)

    def _check(self, posed: Posed) -> None:
        problems = []
        if not posed.has_targets:
            detail = "a step needs targets: without them there is no loss that it could lower"
            problems.append(Problem(self.targets_place, detail))
        if not posed.graph.parameter_count:
            problems.append(Problem("/subject", "the network has no parameters that a step could move"))
        strange = [part for part in self.include or () if part != "params"]
        if strange:
            detail = "a step can show the parameters it leads to; for the rest ask `gradients`"
            problems.append(Problem("/include", detail, allowed=["params"], got=strange))
        numbers = len(self._rates()) * posed.graph.parameter_count
        if self.include and numbers > MOST_NUMBERS:
            detail = f"the answer would hold {numbers:,} parameters, at most {MOST_NUMBERS:,} fit; give fewer rates"
            problems.append(Problem("/include", detail))
        remembered = len(self.optimizer.slots()) * posed.graph.parameter_count
        if remembered > MOST_REMEMBERED:
            detail = f"would remember {remembered:,} numbers for this network; {MOST_REMEMBERED:,} is the most"
            problems.append(Problem("/optimizer", detail))
        if self._operations(posed) > MOST_OPERATIONS:
            detail = f"takes too long for {posed.examples.rows} examples of this network; give fewer, or fewer rates"
            problems.append(Problem(self.examples_place, detail))
        if problems:
            raise Invalid(problems)

    def _require_finite(self, trial: "_Trial") -> None:
        if not np.isfinite(trial.start):
            detail = "the loss is not finite before any step, so that no step can be compared with it"
            raise Invalid([Problem(self.examples_place, detail)])


class _Trial:
    """The point that every update starts from."""

    def __init__(self, posed: Posed, optimizer: Optimizer) -> None:
        self.posed, self._optimizer = posed, optimizer
        self.done: Pass = posed.run()
        self.start = float(total(posed.graph, posed.parameters, self.done))
        count = posed.graph.parameter_count
        self.gradient = flat_gradient(posed.graph, posed.parameters, self.done)[:count]

    def moved(self, rate: float) -> Array:
        """The flat vector after the first update of a fresh optimizer; state of nodes stays as it is."""
        after, gradient = self.posed.parameters.copy(), self.gradient.copy()
        updater = Updater(self._optimizer, after[: len(gradient)], gradient)
        with np.errstate(all="ignore"):
            updater.prepare(1, rate)
            for call in updater.calls:
                call()
        return after

    def loss(self, parameters: Array) -> float:
        """The objective at other parameters."""
        return float(total(self.posed.graph, parameters, self.posed.run(parameters, backward=False)))

    def update(self, after: Array) -> Array:
        """Δ (graph.parameter_count,)."""
        with np.errstate(all="ignore"):
            update: Array = (after - self.posed.parameters)[: len(self.gradient)]
        return update

    def predicted(self, after: Array) -> tuple[float, float]:
        """The decrease to first and to second order."""
        update = self.update(after)
        with np.errstate(all="ignore"):
            first = -float(self.gradient.dot(update))
            return first, first - 0.5 * float(update.dot(hessian_product(self.posed, update)))


def _length(vector: Array) -> float:
    with np.errstate(all="ignore"):
        return norm(vector)


def _swept(trial: _Trial, rates: Sequence[float]) -> Sweep:
    losses = [trial.loss(trial.moved(rate)) for rate in rates]
    holds = [index for index, loss in enumerate(losses) if loss <= trial.start]
    climbs = holds[-1] + 1 if holds else 0
    return Sweep(
        learning_rates=list(rates),
        losses=[finite(loss) for loss in losses],
        diverges_at=rates[climbs] if climbs < len(rates) else None,
    )


def _best(start: float, steps: Sequence[Tried], sweep: Sweep | None) -> tuple[float, float] | None:
    """The smallest loss with its rate; of equal ones the smallest rate."""
    pairs = [(step.loss, step.learning_rate) for step in steps]
    pairs += list(zip(sweep.losses, sweep.learning_rates, strict=True)) if sweep else []
    return min(((loss, rate) for loss, rate in pairs if loss is not None and loss < start), default=None)
