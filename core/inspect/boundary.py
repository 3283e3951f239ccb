"""Where does a model change its mind? Its prediction on a grid of two features, the others held."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, Model, size_of
from core.data.features import CategoryFeature
from core.data.targets import Label, NumberTarget, Target
from core.errors import Invalid, Problem, pointer
from core.graph.graph import Graph
from core.graph.interpreter import interpret
from core.inspection.answers import MOST_NUMBERS
from core.inspection.decided import Decided, decided_by, decided_for
from core.inspection.effort import MOST_OPERATIONS
from core.inspection.feature_plane import Axis, Described, describe, plane_table
from core.inspection.question import Library, Question
from core.inspection.subject import Subject, bind
from core.inspection.tensors import Shown

MOST_RESOLUTION = 200
_AT_A_TIME = 2_000_000
"""Values of all nodes together that are held while the grid is computed piece by piece."""

Range = Annotated[list[float], Field(min_length=2, max_length=2)]


class BoundaryAxis(Model):
    """A feature that varies, and where."""

    feature: str
    kind: Literal["number", "category"]
    values: list[float] | list[str]
    """n numbers in equal steps, or the categories that the model tells apart."""


class BoundaryAnswer(Model):
    """Predictions on a grid: entry [i][j] belongs to value i of the first axis and value j of the second."""

    axes: Annotated[list[BoundaryAxis], Field(min_length=2, max_length=2)]
    held: dict[str, float | int | str | None]
    """Where every other feature is held: at its median over the training split, or at its most frequent category."""

    epoch: int | None
    """Of the checkpoint that was asked about; null for a model at the end of its run, and for a network."""

    target: str | None
    """The column that is predicted; null for a network."""

    classes: list[Label] | None
    """The classes in the order of their indices; null where numbers are predicted, and for a network."""

    class_index: Shown = None
    """The predicted class (n, m), counted from 0."""

    probabilities: Shown = None
    """Of every class (n, m, k); null in a summary and for scores that are no probabilities."""

    top_probability: Shown = None
    """Of the predicted class (n, m), in a summary."""

    values: Shown = None
    """Predicted numbers (n, m) in the units of the target; the outputs (n, m, …) of a network without classes."""


class Boundary(Question):
    """The prediction of a model, at any epoch, over a plane of two features.

    All other features are held where the training split has its middle: numbers at their median, categories at the most
    frequent one. The ranges are those of the training split unless given. A category varies over its categories.

    A network that comes with the request may be asked if it has one input of two numbers: its features are called
    `x[0]` and `x[1]` (with the name of its input), are fed as they are, and need `ranges`.
    """

    question: Literal["boundary"] = "boundary"

    example: ClassVar[Mapping[str, Any]] = {"subject": {"model": "iris"}, "resolution": 20}

    sentence: ClassVar[str] = "What is predicted on a grid of two features, all others held, at any epoch?"

    subject: Subject

    features: Annotated[list[str], Field(min_length=2, max_length=2)] | None = None
    """The two columns that vary; left out, the first two columns of numbers."""

    resolution: Annotated[int, Field(ge=2, le=MOST_RESOLUTION)] = 50
    """Values on each axis of numbers."""

    ranges: Annotated[dict[str, Range], Field(max_length=2)] = {}
    """The first and the last value of a feature of numbers; left out, the least and the largest in training."""

    target: Annotated[str, Field(max_length=1000)] | None = None
    """For a model of several targets the column whose prediction is wanted; left out, the first."""

    summary: bool = False
    """Whether to give each point's class and its probability instead of those of all classes."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Draws parameters that a network does not give."""

    def answer(self, library: Library) -> BoundaryAnswer:
        """Raises Invalid, also for models whose inputs are no columns of a table."""
        return self._of_model(self.subject.model, library) if self.subject.model else self._of_network(library)

    def work(self, library: Library) -> float:
        """One forward pass over the grid."""
        if self.subject.model is not None:
            graph = library.model(self.subject.model).graph
        else:
            graph = bind(self.subject, library, seed=self.seed, inputs={}, widths={}).graph
        return self._operations(graph, self.resolution**2)

    def _of_model(self, reference: str, library: Library) -> BoundaryAnswer:
        trained, history = library.model(reference), library.history(reference)
        columns = describe(trained.preparation, history.experiment.training)
        axes = self._axes(columns)
        column, name = self._column(trained.preparation.targets)
        loss, target = trained.graph.judge_of(name), trained.preparation.targets[name]
        shape = (len(axes[0].values), len(axes[1].values))
        self._check_size(trained.graph, shape, 1 if isinstance(target, NumberTarget) else target.width)
        inputs = trained.preparation.input_arrays(plane_table(axes, columns))
        outputs = _outputs(trained.graph, trained.parameters.astype(np.float64), inputs, str(loss.input))
        held = {name: one.usual for name, one in columns.items() if name not in [axis.feature for axis in axes]}
        decided = decided_for(target, column, loss, outputs)
        return self._answer(decided, axes, held=held, epoch=history.epoch, target=column)

    def _column(self, targets: Mapping[str, Target]) -> tuple[str, str]:
        """The column that is predicted, and the name of the target that it belongs to."""
        columns = {column: name for name, target in targets.items() for column in target.columns}
        column = self.target or next(iter(columns))
        if column not in columns:
            detail = "the model predicts no column of this name"
            raise Invalid([Problem("/target", detail, allowed=list(columns)[:100], got=column)])
        return column, columns[column]

    def _of_network(self, library: Library) -> BoundaryAnswer:
        bound = bind(self.subject, library, seed=self.seed, inputs={}, widths={})
        graph, name = bound.graph, next(iter(bound.graph.inputs))
        spec = graph.inputs[name]
        if len(graph.inputs) > 1 or spec.axes != (2,) or spec.dtype != "float":
            detail = "a network has no columns: it can be asked if it has one input of two numbers; ask about a model"
            raise Invalid([Problem("/subject/network", detail)])
        if self.target is not None:
            raise Invalid([Problem("/target", "a network predicts no column; leave it out")])
        names = (f"{name}[0]", f"{name}[1]")
        if self.features is not None and tuple(self.features) != names:
            raise Invalid([Problem("/features", "the features of this network", allowed=list(names))])
        problems = [
            Problem("/ranges", f"a network needs the range of {one!r}") for one in names if one not in self.ranges
        ]
        if problems := problems + self._range_problems(names):
            raise Invalid(problems)
        x, y = (np.linspace(self.ranges[one][0], self.ranges[one][1], self.resolution) for one in names)
        loss = graph.losses[0] if graph.losses else None
        node = graph.output if loss is None else str(loss.input)
        self._check_size(graph, (len(x), len(y)), size_of(graph.shape_of(node)))
        grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
        decided = decided_by(loss, _outputs(graph, bound.parameters, {name: grid}, node))
        axes = (Axis(names[0], tuple(x.tolist())), Axis(names[1], tuple(y.tolist())))
        return self._answer(decided, axes, held={}, epoch=None, target=None)

    def _answer(self, decided: Decided, axes: tuple[Axis, Axis], **told: Any) -> BoundaryAnswer:
        shape = (len(axes[0].values), len(axes[1].values))
        indices, shares, values = decided.indices, decided.shares, decided.values
        top = None if indices is None or shares is None else np.take_along_axis(shares, indices[:, None], axis=-1)
        return BoundaryAnswer(
            axes=[_shown(axis) for axis in axes],
            classes=decided.classes,
            class_index=None if indices is None else indices.reshape(shape),
            probabilities=None if shares is None or self.summary else shares.reshape(*shape, -1),
            top_probability=None if top is None or not self.summary else top.reshape(shape),
            values=None if values is None else values.reshape(*shape, *values.shape[1:]),
            **told,
        )

    def _axes(self, columns: Mapping[str, Described]) -> tuple[Axis, Axis]:
        names = self.features or _usual_features(columns)
        problems = [
            Problem(f"/features/{at}", "the model is fed no column of this name", allowed=list(columns)[:100], got=name)
            for at, name in enumerate(names)
            if name not in columns
        ]
        if names[0] == names[-1]:
            problems.append(Problem("/features", "needs two different features of the model", got=names))
        if problems := problems + self._range_problems([name for name in names if name in columns]):
            raise Invalid(problems)
        first, second = (self._axis(at, columns[name]) for at, name in enumerate(names))
        return first, second

    def _axis(self, at: int, column: Described) -> Axis:
        feature, name = column.feature, column.feature.column
        if isinstance(feature, CategoryFeature):
            if name in self.ranges:
                raise Invalid(
                    [Problem(pointer("ranges", name), "a category has no range: all its categories are shown")]
                )
            if not feature.categories:
                raise Invalid([Problem(f"/features/{at}", "has no category that is frequent enough to be told apart")])
            return Axis(name, tuple(feature.categories))
        low, high = self.ranges.get(name) or (column.low, column.high)
        if low == high:
            detail = f"{name!r} was {low:g} in every training row; give a range in `ranges`"
            raise Invalid([Problem("/ranges", detail)])
        return Axis(name, tuple(np.linspace(low, high, self.resolution).tolist()))

    def _range_problems(self, names: list[str] | tuple[str, ...]) -> list[Problem]:
        problems = [
            Problem(pointer("ranges", name), "is no feature that varies here", allowed=list(names))
            for name in self.ranges
            if name not in names
        ]
        return problems + [
            Problem(pointer("ranges", name), "the first number must be below the last", got=[low, high])
            for name, (low, high) in self.ranges.items()
            if not low < high or not np.isfinite(high - low)
        ]

    def _check_size(self, graph: Graph, shape: tuple[int, int], each: int) -> None:
        """Raise Invalid where the answer would take too long, or too much room."""
        points = shape[0] * shape[1]
        if self._operations(graph, points) > MOST_OPERATIONS:
            most = int((MOST_OPERATIONS / self._operations(graph, 1)) ** 0.5)
            raise Invalid(
                [Problem("/resolution", f"takes too long for this network; {most} would do", got=self.resolution)]
            )
        if not self.summary and points * each > MOST_NUMBERS:
            detail = f"the answer would hold {points * each:,} numbers, at most {MOST_NUMBERS:,} are given"
            raise Invalid([Problem("/resolution", f"{detail}; ask for a summary", got=self.resolution)])

    def _operations(self, graph: Graph, points: int) -> float:
        return float(points) * sum(node.op.flops(node.input_shapes) for node in graph.nodes)


def _usual_features(columns: Mapping[str, Described]) -> list[str]:
    """The first two columns of numbers; where there are fewer, categories stand in."""
    ordered = sorted(columns, key=lambda name: not columns[name].is_number)
    if len(ordered) < 2:
        raise Invalid([Problem("/features", "the model is fed a single column; there is no plane to look at")])
    return ordered[:2]


def _shown(axis: Axis) -> BoundaryAxis:
    kind: Literal["number", "category"] = "category" if axis.is_category else "number"
    return BoundaryAxis.model_validate({"feature": axis.feature, "kind": kind, "values": list(axis.values)})


def _outputs(graph: Graph, parameters: Array, inputs: Mapping[str, Array], node: str) -> Array:
    """The value (n, …) of a node for many rows, computed piece by piece."""
    shaped = {name: array.reshape(-1, *graph.inputs[name].axes) for name, array in inputs.items()}
    rows = len(next(iter(shaped.values())))
    each = sum(size_of(one.shape) for one in graph.nodes)
    step = max(1, _AT_A_TIME // each)
    with np.errstate(all="ignore"):
        pieces = [
            interpret(
                graph, parameters, {name: array[at : at + step] for name, array in shaped.items()}, backward=False
            )
            for at in range(0, rows, step)
        ]
    return np.concatenate([piece.values[node] for piece in pieces])
