"""Which training rows made the loss of a row what it is, and which of them look mislabeled?"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Model, Tensor
from core.data.cells import Cell
from core.errors import Invalid, Problem, pointer
from core.inspection.answers import MOST_NUMBERS
from core.inspection.batch import MOST_ROWS, BatchQuestion, Posed, SplitRows, refuse_parts
from core.inspection.effort import effort_of_pass, refuse_beyond_patience
from core.inspection.example_gradients import example_gradients, shares_of_examples
from core.inspection.given_parameters import GivenParameters, flat_parameters
from core.inspection.hessian import hessian
from core.inspection.objective import flat_gradient
from core.inspection.question import Library
from core.inspection.tensors import NonFinite, Shown, non_finite

Method = Literal["tracin", "self_influence", "influence_function"]

MOST_CHECKPOINTS = 1000
MOST_HESSIAN = 2000
"""Parameters of a network whose Hessian is made."""

MOST_KEPT = 20_000_000
"""Numbers that the gradients of the rows to explain may be."""


class ExplainedRows(Model):
    """The rows whose loss is explained, in one of the forms that a batch has."""

    inputs: Annotated[dict[str, Tensor], Field(min_length=1, max_length=1000)] | None = None
    targets: Annotated[dict[str, Tensor], Field(max_length=100)] | None = None
    rows: Annotated[list[dict[str, Cell]], Field(min_length=1, max_length=MOST_ROWS)] | None = None
    batch: SplitRows | None = None


class CheckpointView(Model):
    """One point on the way that was counted."""

    epoch: int | None
    """null for parameters that came with the request."""

    learning_rate: float


class RankedRow(Model):
    """A training row and how much it counts."""

    row: int
    """Counted from 0 in the split, or in what was given."""

    dataset_row: int | None
    """Its number in the data set, where the rows are those of a split."""

    score: float


class ExplainedRow(Model):
    """The training rows that count most for the loss of one row."""

    row: int
    helpful: list[RankedRow]
    """Training on them has lowered the loss of this row, by the linear estimate; the most helpful first."""

    harmful: list[RankedRow]
    """Training on them has raised it; the most harmful first."""


class InfluenceAnswer(Model):
    """Scores of training rows n (first axis) for rows to explain m (second axis)."""

    method: Method
    scores: Shown | None = None
    """(n, m). TracIn: Σ rate · ⟨∇l(train), ∇l(row)⟩ over the checkpoints, positive for helpful rows. Influence
    function: −∇l(row)ᵀ (H + damping I)⁻¹ ∇l(train), the change of the row's loss with the weight of the training
    row: negative for helpful rows."""

    explained: list[ExplainedRow]
    self_influence: Shown | None = None
    """(n,): Σ rate · |∇l|² over the checkpoints."""

    highest: list[RankedRow] | None = None
    """Rows by self-influence, the highest first: those that had to be learned against all others."""

    predicted_change_on_removal: Shown | None = None
    """(n, m), of an influence function: how the row's loss would change if training had gone on without the training
    row, the others counting as before."""

    checkpoints: list[CheckpointView]
    """What was summed over, the state (running statistics) of each checkpoint being its own."""

    damping: float | None = None
    smallest_eigenvalue: float | None = None
    """Of the Hessian of the objective over the batch, before damping."""

    gradient_norm: float | None = None
    """Of that objective: the estimate holds where it is small."""

    non_finite: list[NonFinite]


class Influence(BatchQuestion):
    """The training rows are the question's batch; the rows to explain are in `explain`.

    `tracin` sums over the stored checkpoints of a model's run (Pruthi et al. 2020, "Estimating training data influence
    by tracing gradient descent", TracInCP) or over given ones; `self_influence` is the same of each row for itself
    (section 4 there), which is highest for mislabeled rows; `influence_function` asks the Hessian (Koh & Liang 2017,
    "Understanding black-box predictions via influence functions", eq. 2), for at most 2,000 parameters.
    """

    question: Literal["influence"] = "influence"

    example: ClassVar[Mapping[str, Any]] = {
        "subject": {"model": "iris"},
        "batch": {"split": "training", "rows": [0, 20]},
        "method": "self_influence",
    }

    sentence: ClassVar[str] = "Which training rows made the loss of a row what it is, and which look mislabeled?"

    method: Method = "tracin"

    explain: ExplainedRows | None = None
    """Rows to explain, with targets; `self_influence` has none."""

    checkpoints: Annotated[list[GivenParameters], Field(min_length=1, max_length=MOST_CHECKPOINTS)] | None = None
    """For a network: its parameters at some points of its training; left out, its own alone."""

    learning_rates: Annotated[list[Annotated[float, Field(ge=0)]], Field(max_length=MOST_CHECKPOINTS)] | None = None
    """One for each of the checkpoints; left out, 1."""

    epochs: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=MOST_CHECKPOINTS)] | None = None
    """For a model: which kept checkpoints to sum over; left out, all up to the epoch that was named. That of epoch 0,
    before any step, has no rate."""

    damping: Annotated[float, Field(ge=0)] = 0.01
    """Added to the diagonal of the Hessian, which must become positive definite."""

    most: Annotated[int, Field(ge=1, le=100)] = 10
    """Rows in each list."""

    def work(self, library: Library) -> float:
        """The passes of each example at each checkpoint, or those of the Hessian. Raises Invalid."""
        return _Comparison(self, library).effort()

    def answer(self, library: Library) -> InfluenceAnswer:
        """Raises Invalid."""
        comparison = _Comparison(self, library)
        refuse_beyond_patience(comparison.effort(), self.examples_place, "ask for fewer rows or checkpoints")
        match self.method:
            case "tracin":
                return comparison.tracin()
            case "self_influence":
                return comparison.self_influence()
            case "influence_function":
                return comparison.influence_function()


@dataclass(frozen=True)
class _Point:
    parameters: Array
    learning_rate: float
    epoch: int | None


class _Comparison:
    """Training rows and rows to explain, looked up and checked."""

    def __init__(self, question: Influence, library: Library) -> None:
        _check_form(question)
        self.question, self._library = question, library
        self.training = question.pose(library)
        self.explained = None if question.explain is None else _pose_explained(question, library)
        for posed, place in ((self.training, question.targets_place), (self.explained, "/explain")):
            if posed is not None and not posed.has_targets:
                raise Invalid([Problem(place, "influence is of losses: the rows need targets")])
        self.points = list(self._points()) if question.method != "influence_function" else []
        self._check_size()

    def _points(self) -> Iterator[_Point]:
        question = self.question
        if question.subject.model is not None:
            yield from self._stored_points(question.subject.model)
            return
        graph, base = self.training.graph, self.training.parameters
        if question.checkpoints is None:
            yield _Point(base, 1.0 if question.learning_rates is None else question.learning_rates[0], None)
            return
        rates = question.learning_rates or [1.0] * len(question.checkpoints)
        for index, (given, rate) in enumerate(zip(question.checkpoints, rates, strict=True)):
            yield _Point(flat_parameters(graph, base, given, pointer("checkpoints", index)), rate, None)

    def _stored_points(self, model: str) -> Iterator[_Point]:
        history = self._library.history(model)
        rates = history.learning_rates
        last = history.epoch if history.epoch is not None else max(rates, default=0)
        kept = [epoch for epoch in sorted(history.checkpoints) if epoch in rates and epoch <= last]
        wanted = kept if self.question.epochs is None else sorted(set(self.question.epochs))
        strange = [epoch for epoch in wanted if epoch not in kept]
        if strange:
            detail = "no checkpoint with a learning rate is kept of this epoch"
            raise Invalid([Problem("/epochs", detail, allowed=list(kept), got=strange[0])])
        if not wanted:
            detail = "no checkpoint of the run of this model is kept, so there is no way to trace"
            raise Invalid([Problem("/subject/model", detail)])
        for epoch in wanted:
            yield _Point(history.checkpoints[epoch]().astype(np.float64), rates[epoch], epoch)

    def _check_size(self) -> None:
        count, explained = self.training.graph.parameter_count, self.explained
        if self.question.method == "influence_function" and not 0 < count <= MOST_HESSIAN:
            detail = (
                f"influence functions are for 1 to {MOST_HESSIAN:,} parameters, and these are {count:,}: ask tracin"
            )
            raise Invalid([Problem("/method", detail, allowed=["tracin", "self_influence"])])
        if explained is None:
            return
        if explained.examples.rows * count > MOST_KEPT:
            detail = (
                f"the gradients of so many rows are too large; ask for {max(1, MOST_KEPT // max(count, 1))} at most"
            )
            raise Invalid([Problem("/explain", detail)])
        scores = self.training.examples.rows * explained.examples.rows
        if scores > MOST_NUMBERS:
            detail = f"there would be {scores:,} scores, at most {MOST_NUMBERS:,} are made; ask for fewer rows"
            raise Invalid([Problem("/explain", detail)])

    def effort(self) -> float:
        """Operations of the answer."""
        graph, rows = self.training.graph, self.training.examples.rows
        others = 0 if self.explained is None else self.explained.examples.rows
        count = graph.parameter_count
        each = (rows + others) * effort_of_pass(graph, 1) + 2.0 * rows * max(others, 1) * count
        if self.question.method == "influence_function":
            # A complex product takes four real ones; solving takes p³ / 3, and the eigenvalues about 4 p³.
            return 2 * each + count * 4 * effort_of_pass(graph, rows) + 5.0 * count**3
        return each * len(self.points)

    def tracin(self) -> InfluenceAnswer:
        assert self.explained is not None
        scores = np.zeros((self.training.examples.rows, self.explained.examples.rows))
        with np.errstate(all="ignore"):
            for point in self.points:
                tested = np.array(list(example_gradients(self.explained, point.parameters)))
                for row, gradient in enumerate(example_gradients(self.training, point.parameters)):
                    scores[row] += point.learning_rate * (tested @ gradient)
        return self._answer(scores=scores, explained=self._ranked(scores))

    def self_influence(self) -> InfluenceAnswer:
        scores = np.zeros(self.training.examples.rows)
        with np.errstate(all="ignore"):
            for point in self.points:
                for row, gradient in enumerate(example_gradients(self.training, point.parameters)):
                    scores[row] += point.learning_rate * float(gradient @ gradient)
        return self._answer(self_influence=scores, highest=self._rows(scores, -scores))

    def influence_function(self) -> InfluenceAnswer:
        assert self.explained is not None
        posed, damping = self.training, self.question.damping
        curvature = hessian(posed)
        if not np.isfinite(curvature).all():
            detail = "the second derivatives of the loss are not finite here"
            raise Invalid([Problem(self.question.examples_place, detail)])
        smallest = float(np.linalg.eigvalsh(curvature)[0])
        tested = np.array(list(example_gradients(self.explained)))
        solved = _solve(curvature + damping * np.eye(len(curvature)), tested.T, smallest)
        with np.errstate(all="ignore"):
            influence = -np.array([gradient @ solved for gradient in example_gradients(posed)])
            change = np.array([share @ solved for share in shares_of_examples(posed)])
            gradient = flat_gradient(posed.graph, posed.parameters, posed.run())
            norm = float(np.linalg.norm(gradient))
        return self._answer(
            scores=influence,
            explained=self._ranked(-influence),
            predicted_change_on_removal=change,
            damping=damping,
            smallest_eigenvalue=smallest,
            gradient_norm=norm if np.isfinite(norm) else None,
        )

    def _ranked(self, helps: Array) -> list[ExplainedRow]:
        """The lists for each row to explain, of scores (n, m) that are positive for helpful rows."""
        batch = None if self.question.explain is None else self.question.explain.batch
        first = 0 if batch is None else batch.rows[0]
        return [
            ExplainedRow(
                row=first + index,
                helpful=self._rows(column, np.where(column > 0, -column, np.nan)),
                harmful=self._rows(column, np.where(column < 0, column, np.nan)),
            )
            for index, column in enumerate(helps.T)
        ]

    def _rows(self, scores: Array, order: Array) -> list[RankedRow]:
        """The rows of the smallest `order`, with their scores; NaN stays out."""
        chosen = [
            row for row in np.argsort(order, kind="stable")[: self.question.most].tolist() if np.isfinite(order[row])
        ]
        batch, model = self.question.batch, self.question.subject.model
        numbers = None
        if batch is not None and model is not None:
            numbers = getattr(self._library.history(model).experiment.rows, batch.split)
        first = 0 if batch is None else batch.rows[0]
        sign = -1.0 if self.question.method == "influence_function" else 1.0
        return [
            RankedRow(
                row=first + row,
                dataset_row=None if numbers is None else int(numbers[first + row]),
                score=sign * float(scores[row]),
            )
            for row in chosen
        ]

    def _answer(self, *, explained: list[ExplainedRow] | None = None, **found: object) -> InfluenceAnswer:
        arrays = {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
        return InfluenceAnswer.model_validate(
            {
                "method": self.question.method,
                "explained": explained or [],
                "checkpoints": [
                    CheckpointView(epoch=point.epoch, learning_rate=point.learning_rate) for point in self.points
                ],
                "non_finite": non_finite((pointer(name), array) for name, array in arrays.items()),
                **found,
            }
        )


def _solve(matrix: Array, right: Array, smallest: float) -> Array:
    """matrix⁻¹ right, (p, m). Raises Invalid where the matrix is not positive definite."""
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError as error:
        detail = (
            f"the smallest eigenvalue of the Hessian is {smallest:.3g}, so that with this damping it has no inverse "
            f"that an influence could be read from; take more than {max(0.0, -smallest):.3g}"
        )
        raise Invalid([Problem("/damping", detail)]) from error
    return np.linalg.solve(matrix, right)


def _pose_explained(question: Influence, library: Library) -> Posed:
    """The rows to explain as a batch of the same question. Raises Invalid below `/explain`."""
    assert question.explain is not None
    given = {name: getattr(question.explain, name) for name in ExplainedRows.model_fields}
    try:
        return question.model_copy(update=given).pose(library)
    except Invalid as error:
        raise Invalid(
            problem if problem.pointer.startswith("/subject") else problem.below("/explain")
            for problem in error.problems
        ) from error


def _check_form(question: Influence) -> None:
    """Raise Invalid for members that do not go together."""
    refuse_parts(question)
    problems = []
    if question.mode == "training":
        detail = "in training mode the gradient of one example depends on the others, or on chance"
        problems.append(Problem("/mode", detail, allowed=["evaluation"]))
    if (question.explain is None) != (question.method == "self_influence"):
        needed = "self-influence is of the training rows themselves" if question.explain else "name the rows to explain"
        problems.append(Problem("/explain", needed))
    of_network = [name for name in ("checkpoints", "learning_rates") if getattr(question, name) is not None]
    if question.method == "influence_function" or question.subject.model is not None:
        detail = "are for `tracin` and `self_influence` of a network; a model has its own, and else there are none"
        problems += [Problem(f"/{name}", detail) for name in of_network]
    if question.method != "influence_function" and "damping" in question.model_fields_set:
        problems.append(Problem("/damping", "is for `influence_function`"))
    if question.epochs is not None and (question.method == "influence_function" or question.subject.model is None):
        problems.append(Problem("/epochs", "are for `tracin` and `self_influence` of a model"))
    rates = question.learning_rates
    if rates is not None and len(rates) != len(question.checkpoints or [None]):
        problems.append(Problem("/learning_rates", "must be as many as the checkpoints"))
    if problems:
        raise Invalid(problems)
