"""A description and a table become an experiment, or the list of all that is wrong with them.

`resolve` is a pure function: the API calls it to name every mistake before a job is accepted, the worker calls it
again with the description it wrote out, and both get the same network, split, preparation and starting bits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from core.arrays import Array, type_of_precision
from core.data.preparation import Preparation, rows_with_target, target_columns
from core.data.split import Split, split_indices
from core.data.table import NumberColumn, Table
from core.data.targets import TargetEncoding, as_categories
from core.data.task import choose_encoding
from core.errors import Invalid, Problem
from core.experiment.assemble import assemble_graph
from core.experiment.defaults import with_defaults
from core.experiment.spec import ExperimentSpec
from core.graph.graph import Graph
from core.loss import Loss
from core.monitor import Monitor
from core.schedules.warmup import Warmup
from core.training.examples import Examples, small_targets, strange_indices
from core.training.range_test import LearningRateRange, RangeTest
from core.training.run import Run
from core.training.scores import measure_of, score_name
from core.training.spec import TrainingSpec


@dataclass(frozen=True)
class Experiment:
    """A description with nothing left open, and all that a run needs."""

    spec: ExperimentSpec
    graph: Graph
    preparation: Preparation
    training: Examples
    validation: Examples | None
    test: Examples | None
    rows: Split
    """Rows of the table in each split."""

    notes: tuple[str, ...]
    """What was decided or left out, in sentences."""

    def run(self) -> Run:
        """A new run, before its first step."""
        measure = measure_of(self.preparation.target, self.graph.losses[0])
        return Run(self.graph, self._told(), self.training, self.validation, measure=measure)

    def range_test(self) -> RangeTest:
        """A new range test, before its first point; for a description that has a `learning_rate_range`."""
        assert self.spec.learning_rate_range is not None
        run = Run(self.graph, self._told(), self.training, losses_in_steps=True)
        return RangeTest(run, self.spec.learning_rate_range)

    def _told(self) -> TrainingSpec:
        named = {name: getattr(self.spec, name) for name in TrainingSpec.model_fields}
        return TrainingSpec(**{name: value for name, value in named.items() if value is not None})


@dataclass(frozen=True)
class _Columns:
    """What the table gives: which rows go where, and how columns become arrays."""

    rows: Split
    preparation: Preparation
    encoding: TargetEncoding
    notes: tuple[str, ...]


Part = TypeVar("Part")


def resolve(
    spec: ExperimentSpec, table: Table, *, validation_table: Table | None = None, max_parameters: int = 100_000_000
) -> Experiment:
    """Decide what the description leaves open and build all that a run needs.

    Raises Invalid with every mistake; pointers count from the description (`/target`, `/network/layers/2`).
    """
    loss = _loss(spec)
    columns = _columns(spec, table, loss, validates=validation_table is not None)
    validates = validation_table is not None or len(columns.rows.validation) > 0
    chosen = with_defaults(spec, columns.encoding, len(columns.rows.training), has_validation=validates)
    graph = assemble_graph(chosen, columns.preparation, table, columns.rows.training, max_parameters=max_parameters)
    _check_monitors(chosen, score_name(columns.preparation.target, graph.losses[0]), validates=validates)
    _check_batch(chosen, graph, len(columns.rows.training))
    examples = partial(_examples, graph, columns.preparation, chosen)
    training, validation, test = (examples(whole=table, rows=rows) for rows in columns.rows)
    if validation_table is not None:
        targets = list(columns.preparation.target.columns)
        validation = examples(whole=validation_table, rows=rows_with_target(validation_table, targets))
    return Experiment(
        chosen,
        graph,
        columns.preparation,
        training,
        validation if validation.rows else None,
        test if test.rows else None,
        columns.rows,
        (*columns.notes, *_notes_on_range(chosen.learning_rate_range)),
    )


def _check_monitors(spec: ExperimentSpec, score: str | None, *, validates: bool) -> None:
    """Raise Invalid when early stopping or the schedule watches a curve this run does not have."""
    names = ["loss", score] if score else ["loss"]
    curves = [f"{split}.{name}" for split in ["training", "validation"][: 1 + validates] for name in names]
    message = "this run has no such curve" + ("" if validates else ": it has no validation split")
    problems = [
        Problem(place, message, allowed=[*curves], got=monitor)
        for place, monitor in _monitors(spec)
        if monitor is not None and monitor not in curves
    ]
    if problems:
        raise Invalid(problems)


def _monitors(spec: ExperimentSpec) -> Iterator[tuple[str, Monitor | None]]:
    """Every curve that is watched, with the place where it is named."""
    if spec.early_stopping is not None:
        yield "/early_stopping/monitor", spec.early_stopping.monitor
    if spec.schedule is not None:
        inner = "/then" if isinstance(spec.schedule, Warmup) else ""
        yield f"/schedule{inner}/monitor", spec.schedule.watches


def _check_batch(spec: ExperimentSpec, graph: Graph, rows: int) -> None:
    """Raise Invalid when no batch of this run has examples enough for a node that compares them."""
    size = min(spec.batch_size, rows) if isinstance(spec.batch_size, int) else rows
    for node in graph.nodes:
        least = node.op.least_batch(node.input_shapes)
        if least > size:
            message = f"{node.id!r} ({node.op.op}) learns nothing from batches of {size}: it needs at least {least}"
            raise Invalid([Problem("/batch_size", message, got=spec.batch_size)])


def _loss(spec: ExperimentSpec) -> Loss | None:
    """The loss that decides how the target is encoded. Raises Invalid when both network and job bring one."""
    own = spec.network.losses if spec.network is not None else None
    if own and spec.loss is not None:
        raise Invalid([Problem("/loss", "the network brings its own `losses`; leave one of the two out")])
    return own[0] if own else spec.loss


def _columns(spec: ExperimentSpec, table: Table, loss: Loss | None, *, validates: bool) -> _Columns:
    """Judge target, split and features together, so that all their mistakes are named at once."""
    problems: list[Problem] = []
    targets = _gather(problems, lambda: target_columns(table, spec.target))
    if targets is None:
        raise Invalid(problems)
    kind = loss.kind if loss else None
    encoding = choose_encoding([table.column(name) for name in targets], kind)
    kept = rows_with_target(table, targets)
    if not len(kept):
        raise Invalid([Problem("/target", "no row has a value in the target")])
    stratifies = spec.split.stratify and encoding != "number" and len(targets) == 1
    rows = _gather(
        problems, lambda: _split(spec, table, kept, targets, stratifies=stratifies, validates=validates), "/split"
    )
    preparation = _gather(
        problems,
        lambda: Preparation.fit(
            table,
            kept if rows is None else rows.training,
            spec.target,
            features=_features(spec, table, targets, loss),
            mode=spec.preparation,
            encoding=encoding,
            loss=loss,
        ),
    )
    if rows is None or preparation is None:
        raise Invalid(problems)
    return _Columns(rows, preparation, encoding, _notes(preparation, table, len(kept), encoding))


def _gather(problems: list[Problem], step: Callable[[], Part], prefix: str = "") -> Part | None:
    """What a step gives; or None, and its mistakes join the others."""
    try:
        return step()
    except Invalid as error:
        problems += [problem.below(prefix) for problem in error.problems]
        return None


def _split(
    spec: ExperimentSpec, table: Table, kept: Array, targets: list[str], *, stratifies: bool, validates: bool
) -> Split:
    """Row numbers of the table; rows without a target are in no split."""
    codes = as_categories(table.column(targets[0])).codes[kept] if stratifies else None
    share = 0.0 if validates else spec.split.validation
    split = split_indices(len(kept), share, spec.split.test, codes, seed=spec.split.seed)
    return Split(kept[split.training], kept[split.validation], kept[split.test])


def _features(spec: ExperimentSpec, table: Table, targets: list[str], loss: Loss | None) -> list[str] | None:
    """The columns named; a column of sample weights is no feature unless it is named as one."""
    weight = loss.sample_weight if loss is not None else None
    if spec.features is not None or not isinstance(weight, str):
        return spec.features
    return [column.name for column in table.columns if column.kind != "text" and column.name not in {*targets, weight}]


def _notes(preparation: Preparation, table: Table, kept: int, encoding: TargetEncoding) -> tuple[str, ...]:
    words = {"class": "classes", "binary": "yes or no", "number": "numbers"}
    columns = ", ".join(repr(name) for name in preparation.target.columns)
    notes = [f"{columns} is learned as {words[encoding]}."]
    if kept < table.rows:
        notes.append(f"{table.rows - kept} rows without a target were left out.")
    return (*notes, *(f"{name!r} is no feature: {reason}." for name, reason in preparation.left_out.items()))


def _notes_on_range(asked: LearningRateRange | None) -> tuple[str, ...]:
    if asked is None:
        return ()
    rates = f"The learning rate grows from {asked.lowest:g} to {asked.to:g} in {asked.steps} updates"
    return (f"{rates}; the optimizer's own is not used, and no model is made.",)


def _examples(graph: Graph, preparation: Preparation, spec: ExperimentSpec, *, whole: Table, rows: Array) -> Examples:
    """These rows of a table as a run takes them. Raises Invalid for numbers that the network cannot take."""
    table = whole.take(rows)
    (input_name,), (target_name,) = graph.inputs, graph.targets
    weights = {
        index: _weights(table, loss.sample_weight)
        for index, loss in enumerate(graph.losses)
        if isinstance(loss.sample_weight, str)
    }
    features, targets = preparation.features(table), preparation.targets(table)
    largest = np.finfo(type_of_precision[spec.dtype]).max
    for place, array in (("/features", features), ("/target", targets)):
        if array.size and np.abs(array).max() > largest:
            message = f"has numbers beyond {largest:.1e}, the largest of {spec.dtype}: prepare them, or choose float64"
            raise Invalid([Problem(place, message)])
    for strange in strange_indices(graph, {input_name: features}):
        advice = "" if spec.preparation == "none" else '; with "preparation": "none" numbers are fed as they are'
        message = f"row {rows[strange.row] + 1} {strange.detail}{advice}"
        raise Invalid([Problem("/features", message, got=strange.value)])
    small = [problem for loss in graph.losses for problem in small_targets(loss, {target_name: targets})]
    if small:
        raise Invalid(Problem("/target", problem.detail, got=problem.got) for problem in small)
    return Examples({input_name: features}, {target_name: targets}, weights)


def _weights(table: Table, name: str) -> Array:
    column = table.column(name) if name in table.names else None
    if not isinstance(column, NumberColumn) or column.missing.any() or (column.values < 0).any():
        raise Invalid([Problem("/loss/sample_weight", f"{name!r} is no column of numbers from 0 without gaps")])
    return np.asarray(column.values)
