"""A description and a table become an experiment, or the list of all that is wrong with them.

`resolve` is a pure function: the API calls it to name every mistake before a job is accepted, the worker calls it
again with the description it wrote out, and both get the same network, split, preparation and starting bits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.arrays import Array, type_of_precision
from core.data.choice import rows_with_target
from core.data.preparation import Preparation, TargetPlan, collect
from core.data.split import Split, split_indices
from core.data.table import NumberColumn, Table
from core.data.targets import TargetEncoding, as_categories
from core.errors import Invalid, Problem, pointer
from core.experiment.assemble import assemble_graph
from core.experiment.columns import Feed, input_specs, plan_inputs, plan_targets, stated_losses
from core.experiment.defaults import with_defaults
from core.experiment.scales import notes_on_scales
from core.experiment.spec import ExperimentSpec
from core.graph.graph import Graph
from core.loss import Loss
from core.monitor import Monitor
from core.network import InputSpec
from core.schedules.warmup import Warmup
from core.training.examples import Examples, small_targets, strange_indices
from core.training.range_test import LearningRateRange, RangeTest
from core.training.run import Run
from core.training.scores import measure_of, score_name
from core.training.spec import TrainingSpec

_NAMED_COLUMNS = 10


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
        measure = measure_of(self.preparation.targets, self.graph)
        return Run(self.graph, self.training_spec(), self.training, self.validation, measure=measure)

    def range_test(self) -> RangeTest:
        """A new range test, before its first point; for a description that has a `learning_rate_range`."""
        assert self.spec.learning_rate_range is not None
        told = self.training_spec().model_copy(update={"statistics": False})
        run = Run(self.graph, told, self.training, losses_in_steps=True)
        return RangeTest(run, self.spec.learning_rate_range)

    def training_spec(self) -> TrainingSpec:
        """What a run is told."""
        named = {name: getattr(self.spec, name) for name in TrainingSpec.model_fields}
        return TrainingSpec(**{name: value for name, value in named.items() if value is not None})


@dataclass(frozen=True)
class _Columns:
    """What the table gives: which rows go where, and how columns become arrays."""

    rows: Split
    preparation: Preparation
    inputs: Mapping[str, InputSpec]
    encoding: TargetEncoding
    """Of the first target."""

    notes: tuple[str, ...]


def resolve(
    spec: ExperimentSpec, table: Table, *, validation_table: Table | None = None, max_parameters: int = 100_000_000
) -> Experiment:
    """Decide what the description leaves open and build all that a run needs.

    Raises Invalid with every mistake; pointers count from the description (`/target`, `/network/layers/2`).
    """
    columns = _columns(spec, table, stated_losses(spec), validates=validation_table is not None)
    preparation = columns.preparation
    validates = validation_table is not None or len(columns.rows.validation) > 0
    chosen = with_defaults(spec, columns.encoding, len(columns.rows.training), has_validation=validates)
    training = table.take(columns.rows.training)
    graph = assemble_graph(chosen, preparation, columns.inputs, training, max_parameters=max_parameters)
    first = next(iter(preparation.targets))
    _check_monitors(chosen, score_name(preparation.targets[first], graph.judge_of(first)), validates=validates)
    _check_batch(chosen, graph, len(columns.rows.training))
    examples = partial(_examples, graph, preparation, chosen)
    learned = examples(whole=table, rows=columns.rows.training)
    watched, tested = (
        examples(whole=table, rows=rows) if len(rows) else None for rows in (columns.rows.validation, columns.rows.test)
    )
    if validation_table is not None:
        _check_columns(validation_table, preparation)
        kept = rows_with_target(validation_table, preparation.target_columns)
        watched = _of_another(partial(examples, whole=validation_table, rows=kept)) if len(kept) else None
    return Experiment(
        chosen,
        graph,
        preparation,
        learned,
        watched,
        tested,
        columns.rows,
        (
            *columns.notes,
            *notes_on_scales(chosen, graph, preparation, learned),
            *_notes_on_range(chosen.learning_rate_range),
        ),
    )


def split_of(spec: ExperimentSpec, table: Table, losses: Sequence[Loss], *, validates: bool) -> Split:
    """Which rows of the table went where in an experiment with these losses.

    `validates` says whether another table was for validation. Raises Invalid.
    """
    targets = plan_targets(spec, table, losses)
    return _split(spec, table, _rows_to_learn_from(table, targets), targets, validates=validates)


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


def _columns(spec: ExperimentSpec, table: Table, losses: Sequence[Loss], *, validates: bool) -> _Columns:
    """Judge targets, split and features together, so that all their mistakes are named at once."""
    targets = plan_targets(spec, table, losses)
    columns = {name for plan in targets.values() for name in plan.choice.columns}
    kept = _rows_to_learn_from(table, targets)
    problems: list[Problem] = []
    rows = collect(problems, lambda: _split(spec, table, kept, targets, validates=validates), "/split")
    feed = collect(problems, lambda: plan_inputs(spec, table, columns, losses))
    preparation = (
        None if feed is None else collect(problems, partial(_fit, spec, table, feed, targets, rows=rows, kept=kept))
    )
    if rows is None or feed is None or preparation is None:
        raise Invalid(problems)
    widths = {name: len(one.names) for name, one in preparation.inputs.items()}
    notes = _notes(targets, table, len(kept), preparation)
    encoding = next(iter(targets.values())).encoding
    return _Columns(rows, preparation, input_specs(feed.plans, widths), encoding, notes)


def _fit(
    spec: ExperimentSpec,
    table: Table,
    feed: Feed,
    targets: Mapping[str, TargetPlan],
    *,
    rows: Split | None,
    kept: Array,
) -> Preparation:
    """The preparation; without a split, only to tell what is wrong with it."""
    training = kept if rows is None else rows.training
    return Preparation.fit(
        table, training, feed.plans, targets, mode=spec.preparation, used=kept, left_out=feed.left_out
    )


def _rows_to_learn_from(table: Table, targets: Mapping[str, TargetPlan]) -> Array:
    kept = rows_with_target(table, (name for plan in targets.values() for name in plan.choice.columns))
    if not len(kept):
        raise Invalid([Problem("/target", "no row has a value in the target")])
    return kept


def _split(
    spec: ExperimentSpec, table: Table, kept: Array, targets: Mapping[str, TargetPlan], *, validates: bool
) -> Split:
    """Row numbers of the table; rows without a target are in no split. The classes of the first target are shared
    out evenly, if it is a single column."""
    first = next(iter(targets.values()))
    stratifies = spec.split.stratify and first.encoding != "number" and len(first.choice.columns) == 1
    codes = as_categories(table.column(first.choice.columns[0])).codes[kept] if stratifies else None
    share = 0.0 if validates else spec.split.validation
    split = split_indices(len(kept), share, spec.split.test, codes, seed=spec.split.seed)
    return Split(kept[split.training], kept[split.validation], kept[split.test])


def _notes(targets: Mapping[str, TargetPlan], table: Table, kept: int, preparation: Preparation) -> tuple[str, ...]:
    words = {"class": "classes", "binary": "yes or no", "number": "numbers"}
    notes = [f"{_listed(plan.choice.columns)} is learned as {words[plan.encoding]}." for plan in targets.values()]
    if kept < table.rows:
        notes.append(f"{table.rows - kept} rows without a target were left out.")
    return (*notes, *(f"{name!r} is no feature: {reason}." for name, reason in preparation.left_out.items()))


def _listed(columns: Sequence[str]) -> str:
    """The names, of very many only the first ones."""
    more = len(columns) - _NAMED_COLUMNS
    return ", ".join(map(repr, columns[:_NAMED_COLUMNS])) + (f" and {more} more" if more > 0 else "")


def _notes_on_range(asked: LearningRateRange | None) -> tuple[str, ...]:
    if asked is None:
        return ()
    rates = f"The learning rate grows from {asked.lowest:g} to {asked.to:g} in {asked.steps} updates"
    return (f"{rates}; the optimizer's own is not used, and no model is made.",)


def _examples(graph: Graph, preparation: Preparation, spec: ExperimentSpec, *, whole: Table, rows: Array) -> Examples:
    """These rows of a table as a run takes them. Raises Invalid for numbers that the network cannot take."""
    table = whole.take(rows)
    weights = {
        index: _weights(table, loss.sample_weight, _place_of_loss(spec, index))
        for index, loss in enumerate(graph.losses)
        if isinstance(loss.sample_weight, str)
    }
    inputs, targets = preparation.input_arrays(table), preparation.target_arrays(table)
    _check_size(_places("features", inputs, spec.features), spec.dtype)
    _check_size(_places("target", targets, spec.target), spec.dtype)
    _check_indices(graph, inputs, spec, rows)
    small = [problem for loss in graph.losses for problem in small_targets(loss, targets)]
    if small:
        raise Invalid(Problem("/target", problem.detail, got=problem.got) for problem in small)
    # In the run's own precision at once: a table of float64 beside its features of float64 is memory enough.
    return Examples(inputs, targets, weights).typed(graph, type_of_precision[spec.dtype])


def _check_indices(graph: Graph, inputs: Mapping[str, Array], spec: ExperimentSpec, rows: Array) -> None:
    """Raise Invalid, naming the row of the table, for whole numbers that no table of the network knows."""
    for strange in strange_indices(graph, inputs):
        at = pointer("features", strange.input) if isinstance(spec.features, dict) else "/features"
        raise Invalid([Problem(at, f"row {rows[strange.row]} {strange.detail}", got=strange.value)])


def _of_another(examples: Callable[[], Examples]) -> Examples:
    """The rows of another data set to validate on. Raises Invalid at its name."""
    try:
        return examples()
    except Invalid as error:
        at = "/split/validation_dataset"
        raise Invalid(
            Problem(at, f"{one.pointer}: {one.detail}", one.allowed, one.got) for one in error.problems
        ) from error


def _check_columns(validation: Table, preparation: Preparation) -> None:
    """Raise Invalid when the data set to validate on lacks a column that is learned from or predicted."""
    wanted = {form.name for form in [*preparation.feature_forms, *preparation.target_forms]}
    missing = sorted(wanted.difference(validation.names))[:_NAMED_COLUMNS]
    if missing:
        at = "/split/validation_dataset"
        raise Invalid(Problem(at, f"the data set has no column {name!r}") for name in missing)


def _places(member: str, arrays: Mapping[str, Array], stated: object) -> Iterable[tuple[str, Array]]:
    """Each array with where the description says what it is."""
    for name, array in arrays.items():
        yield pointer(member, name) if isinstance(stated, dict) else pointer(member), array


def _check_size(places: Iterable[tuple[str, Array]], dtype: str) -> None:
    """Raise Invalid for numbers that the precision of the run cannot hold."""
    largest = np.finfo(type_of_precision[dtype]).max
    for place, array in places:
        if array.size and np.abs(array).max() > largest:
            message = f"has numbers beyond {largest:.1e}, the largest of {dtype}: prepare them, or choose float64"
            raise Invalid([Problem(place, message)])


def _place_of_loss(spec: ExperimentSpec, index: int) -> str:
    return "/loss" if spec.loss is not None else pointer("network", "losses", index)


def _weights(table: Table, name: str, place: str) -> Array:
    column = table.column(name) if name in table.names else None
    if not isinstance(column, NumberColumn) or column.missing.any() or (column.values < 0).any():
        raise Invalid([Problem(f"{place}/sample_weight", f"{name!r} is no column of numbers from 0 without gaps")])
    return np.asarray(column.values)
