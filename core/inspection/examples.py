"""Examples out of a request: arrays checked against a graph, or rows prepared as in training."""

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from core.arrays import Array, Shape
from core.data.cells import Cell
from core.data.preparation import Preparation
from core.data.rows import ColumnForm, table_from_rows
from core.data.table import NumberColumn, Table
from core.errors import Invalid, Problem, pointer
from core.graph.graph import Graph, Target
from core.inspection.question import History, SplitName
from core.loss import Loss
from core.training.examples import Examples, check_indices, small_targets, strange_indices


def examples_of_arrays(graph: Graph, inputs: Mapping[str, Array], targets: Mapping[str, Array]) -> Examples:
    """The arrays of a request as examples. Raises Invalid at `/inputs/x` and `/targets/y`."""
    problems = _name_problems("inputs", inputs, list(graph.inputs))
    if targets and not graph.losses:
        problems.append(Problem("/targets", "the network has no `losses` that could compare anything with a target"))
    elif targets:
        problems += _name_problems("targets", targets, list(graph.targets))
    if problems:
        raise Invalid(problems)
    rows = next(iter(inputs.values())).shape[:1]
    for name, spec in graph.inputs.items():
        problems += _shape_problems(pointer("inputs", name), inputs[name], spec.axes, rows)
    if not problems:
        problems += [one.at(pointer("inputs", one.input, one.row)) for one in strange_indices(graph, inputs)]
    for name in targets:
        problems += _target_problems(pointer("targets", name), targets[name], graph.targets[name], rows)
    for loss in graph.losses if targets and not problems else ():
        problems += _class_problems(graph, loss, targets)
        problems += [problem.below("/targets") for problem in small_targets(loss, targets)]
    for index, loss in enumerate(graph.losses if targets else ()):
        problems += _weight_problems(index, loss, rows)
    if problems:
        raise Invalid(problems)
    weights = {
        index: np.asarray(loss.sample_weight, np.float64)
        for index, loss in enumerate(graph.losses)
        if isinstance(loss.sample_weight, list)
    }
    return Examples(inputs, targets, weights)


def _name_problems(place: str, given: Mapping[str, Array], wanted: list[str]) -> list[Problem]:
    missing = [Problem(pointer(place, name), "is missing") for name in wanted if name not in given]
    unknown = [
        Problem(pointer(place, name), "the network has none of this name", allowed=list(wanted))
        for name in given
        if name not in wanted
    ]
    return missing + unknown


def _target_problems(at: str, array: Array, target: Target, rows: Shape) -> list[Problem]:
    problems = _shape_problems(at, array, target.shape, rows)
    if target.type == "class" and not problems and not (array == np.floor(array)).all():
        problems.append(Problem(at, "this loss takes classes as whole numbers from 0"))
    return problems


def _shape_problems(at: str, array: Array, shape: Shape, rows: Shape) -> list[Problem]:
    if array.ndim == 0 or array.size == 0:
        return [Problem(at, "needs at least one example", got=list(array.shape))]
    # Where the first input has no examples at all, that is said of it alone.
    if array.shape == (*(rows or array.shape[:1]), *shape):
        return []
    if array.shape[1:] == shape:
        return [Problem(at, f"has {len(array)} examples, the first input {rows[0]}")]
    wanted = ", ".join(map(str, ("examples", *shape)))
    return [Problem(at, f"must have shape ({wanted}), not {list(array.shape)}")]


def _class_problems(graph: Graph, loss: Loss, targets: Mapping[str, Array]) -> list[Problem]:
    """Class indices beyond the outputs of the node that a loss judges."""
    target = graph.targets[str(loss.target)]
    if target.type != "class":
        return []
    classes = graph.shape_of(str(loss.input))[-1]
    indices = targets[str(loss.target)]
    strange = indices[((indices < 0) | (indices >= classes)) & (indices != getattr(loss, "ignore_index", None))]
    if not strange.size:
        return []
    detail = f"class {int(strange.flat[0])} does not exist: {loss.input!r} tells {classes} classes apart, from 0"
    return [Problem(pointer("targets", str(loss.target)), detail)]


def _weight_problems(index: int, loss: Loss, rows: Shape) -> list[Problem]:
    at = f"/subject/network/losses/{index}/sample_weight"
    match loss.sample_weight:
        case str():
            detail = "a column of weights is for jobs and for `rows`; give a list beside an inline batch"
            return [Problem(at, detail)]
        case list() as weights if (len(weights),) != rows:
            return [Problem(at, f"has {len(weights)} weights for {rows[0]} examples")]
        case _:
            return []


def examples_of_rows(graph: Graph, preparation: Preparation, rows: list[dict[str, Cell]]) -> Examples:
    """Rows of a model's data set as examples, with targets if the rows have the target columns. Raises Invalid."""
    forms = list(preparation.feature_forms)
    has_targets = any(form.name in row for row in rows for form in preparation.target_forms)
    weighted = {i: loss.sample_weight for i, loss in enumerate(graph.losses) if isinstance(loss.sample_weight, str)}
    if has_targets:
        forms += preparation.target_forms
        forms += [ColumnForm(name, "number") for name in sorted(set(weighted.values())) if name not in _names(forms)]
    table = table_from_rows(rows, forms)
    inputs = preparation.input_arrays(table)
    check_indices(graph, inputs, "/rows")
    if not has_targets:
        return Examples(inputs, {})
    targets = preparation.target_arrays(table)
    problems = [Problem("/rows", problem.detail) for loss in graph.losses for problem in small_targets(loss, targets)]
    if problems:
        raise Invalid(problems)
    return Examples(inputs, targets, {index: column_of_weights(table, name) for index, name in weighted.items()})


def examples_of_split(history: History, split: SplitName, rows: Sequence[int]) -> Examples:
    """Rows of a split of a model's own data, from the first of `rows` to before the second. Raises Invalid."""
    examples = history.examples(split)
    if examples is None:
        given = [name for name in get_args(SplitName) if history.examples(name) is not None]
        raise Invalid([Problem("/batch/split", "the run had no rows of this split", allowed=given, got=split)])
    first, end = rows
    if not first < end <= examples.rows:
        detail = f"must be two numbers of rows in their order; the split has {examples.rows}"
        raise Invalid([Problem("/batch/rows", detail, got=list(rows))])
    return examples.take(np.arange(first, end))


def _names(forms: list[ColumnForm]) -> set[str]:
    return {form.name for form in forms}


def column_of_weights(table: Table, name: str) -> Array:
    column = table.column(name)
    if not isinstance(column, NumberColumn) or column.missing.any() or (column.values < 0).any():
        raise Invalid([Problem("/rows", f"{name!r} holds the weights of the examples: numbers from 0 without gaps")])
    return column.values
