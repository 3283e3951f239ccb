"""What a model makes of rows it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from pydantic import JsonValue

from core.arrays import Array, Shape
from core.data.preparation import forms_of
from core.data.rows import place_in_row, table_from_inputs, table_from_rows
from core.errors import Invalid, Problem, pointer
from core.prediction import Predictions, class_labels, predict
from core.training.examples import Examples, check_indices
from service.models.loading import LoadedModel
from service.predictions.schemas import Deviation, PredictionAnswer, PredictionRequest


def answer(model: LoadedModel, asked: PredictionRequest) -> PredictionAnswer:
    """The predictions of a request's rows, prepared as the training rows were.

    Raises Invalid, naming unknown and missing columns, cells of the wrong kind and indices beyond a vocabulary.
    """
    examples = Examples(_arrays(model, asked), {})
    place = _place(model, asked)
    check_indices(model.graph, examples.inputs, place)
    judges = {name: model.graph.judge_of(name) for name in model.preparation.targets}
    # Far beyond the training rows an activation may overflow; `predict` says in which rows it did.
    with model.evaluator() as evaluator, np.errstate(all="ignore"):
        inputs = examples.typed(model.graph, model.parameters.dtype).inputs
        values = evaluator.values(inputs, list({str(loss.input) for loss in judges.values()}))
    found = {
        name: predict(judges[name], target, values[str(judges[name].input)], place=place)
        for name, target in model.preparation.targets.items()
    }
    return _of_one(model, found) if len(found) == 1 else _of_several(model, found)


def _of_one(model: LoadedModel, found: Mapping[str, Predictions]) -> PredictionAnswer:
    ((name, only),) = found.items()
    target = model.preparation.targets[name]
    return PredictionAnswer.model_construct(
        model=model.label,
        target=list(target.columns),
        predictions=[*only.predictions],
        probabilities=None if only.probabilities is None else only.probabilities.tolist(),
        deviations=None if only.deviations is None else [*only.deviations],
        classes=class_labels(target),
    )


def _of_several(model: LoadedModel, found: Mapping[str, Predictions]) -> PredictionAnswer:
    """Each row with an object that has every target under its name."""
    targets = model.preparation.targets
    predictions = zip(*(one.predictions for one in found.values()), strict=True)
    rows = len(next(iter(found.values())).predictions)
    shares = [[None] * rows if one.probabilities is None else one.probabilities.tolist() for one in found.values()]
    return PredictionAnswer.model_construct(
        model=model.label,
        target={name: list(target.columns) for name, target in targets.items()},
        predictions=[dict(zip(found, row, strict=True)) for row in predictions],
        probabilities=[dict(zip(found, row, strict=True)) for row in zip(*shares, strict=True)],
        deviations=_deviations(found, rows),
        classes={name: class_labels(target) for name, target in targets.items()},
    )


def _deviations(found: Mapping[str, Predictions], rows: int) -> list[Deviation | dict[str, Deviation | None]] | None:
    """The standard deviations of every target under its name; None where no loss has learned any."""
    if all(one.deviations is None for one in found.values()):
        return None
    columns: list[Sequence[Deviation | None]] = [one.deviations or [None] * rows for one in found.values()]
    return [dict(zip(found, row, strict=True)) for row in zip(*columns, strict=True)]


def _place(model: LoadedModel, asked: PredictionRequest) -> str:
    """Where the rows of the request stand; of rows in several arrays, in the first of them."""
    if asked.rows is not None:
        return "/rows"
    return pointer("inputs", next(iter(model.graph.inputs))) if isinstance(asked.inputs, dict) else "/inputs"


def _arrays(model: LoadedModel, asked: PredictionRequest) -> dict[str, Array]:
    """What feeds each input of the network."""
    if asked.rows is not None:
        return model.preparation.input_arrays(table_from_rows(asked.rows, model.preparation.feature_forms))
    assert asked.inputs is not None  # one of the two, as the request has checked
    names = list(model.graph.inputs)
    if isinstance(asked.inputs, dict):
        return _of_every_input(model, asked.inputs, names)
    if len(names) > 1:
        detail = "the model has several inputs: give an object with the rows of each"
        raise Invalid([Problem("/inputs", detail, allowed=[*names])])
    return {names[0]: _prepared(model, names[0], asked.inputs, "/inputs")}


def _of_every_input(
    model: LoadedModel, given: Mapping[str, Sequence[JsonValue]], names: Sequence[str]
) -> dict[str, Array]:
    problems = [
        Problem(pointer("inputs", name), "is missing: it feeds the model") for name in names if name not in given
    ]
    problems += [
        Problem(pointer("inputs", name), "the model has no input of this name", allowed=[*names])
        for name in given
        if name not in names
    ]
    lengths = {name: len(rows) for name, rows in given.items()}
    first = next(iter(lengths.values()))
    problems += [
        Problem(pointer("inputs", name), f"has {rows} rows, the first input {first}")
        for name, rows in lengths.items()
        if rows != first
    ]
    if problems:
        raise Invalid(problems)
    arrays: dict[str, Array] = {}
    for name in names:
        try:
            arrays[name] = _prepared(model, name, given[name], pointer("inputs", name))
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(problems)
    return arrays


def _prepared(model: LoadedModel, name: str, rows: Sequence[JsonValue], place: str) -> Array:
    """The rows of one input, as lists of its columns' cells, prepared. Raises Invalid, at `/inputs/3/1`."""
    preparation = model.preparation.inputs[name]
    forms = forms_of(preparation)
    shape = model.graph.inputs[name].axes
    table = table_from_inputs(rows, forms, shape=shape, place=place)
    try:
        return preparation.apply(table)
    except Invalid as error:
        positions = {pointer(form.name): position for position, form in enumerate(forms)}
        moved = [_moved(problem, rows, positions, place=place, shape=shape) for problem in error.problems]
        raise Invalid(moved) from error


def _moved(
    problem: Problem, rows: Sequence[JsonValue], positions: Mapping[str, int], *, place: str, shape: Shape
) -> Problem:
    """A mistake at `/rows/3/age` as one at `/inputs/3/1`."""
    _, _, row, column = problem.pointer.split("/", 3)
    return replace(problem, pointer=f"{place}/{row}" + place_in_row(rows[int(row)], positions[f"/{column}"], shape))
