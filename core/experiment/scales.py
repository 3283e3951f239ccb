"""Whether numbers that are fed as they are have such sizes that one learning rate suits all of them."""

from collections.abc import Iterator

import numpy as np

from core.arrays import Array
from core.data.preparation import Preparation
from core.experiment.spec import ExperimentSpec
from core.graph.graph import Graph
from core.training.examples import Examples

MOST_APART = 10.0
"""Largest standard deviation of a column over the smallest."""

MOST_SPREAD = 100.0
"""Standard deviation beyond which the units of a first layer saturate, or its updates overshoot."""

_MOST_NUMBERS = 10_000_000
"""Numbers that are looked at; of more, evenly spread rows."""


def notes_on_scales(spec: ExperimentSpec, graph: Graph, preparation: Preparation, training: Examples) -> Iterator[str]:
    """Advice, in sentences, for a job without preparation; none for one with it, or whose inputs are normalized first.

    Columns of one value, or of nothing but 0 and 1, have no scale of their own. The entries of an image or a sequence
    share theirs.

    Source: LeCun et al. 1998, "Efficient BackProp", section 4.3.
    """
    if spec.preparation == "auto":
        return
    for name, declared in graph.inputs.items():
        readers = [node for node in graph.nodes if name in node.inputs]
        if declared.dtype == "int" or all(node.op.normalizes for node in readers):
            continue
        rows = _some_rows(training.inputs[name])
        if len(declared.axes) > 1:
            spreads = {f"the input {name!r}": float(_deviations(rows.reshape(-1, 1))[0])}
        else:
            spreads = _spreads(rows, preparation.inputs[name].names)
        yield from _note(spreads)


def _some_rows(array: Array) -> Array:
    rows = array.reshape(len(array), -1)
    return rows[:: max(1, -(-rows.size // _MOST_NUMBERS))]


def _spreads(rows: Array, names: "tuple[str, ...] | list[str]") -> dict[str, float]:
    """The standard deviations of columns (n, d) that have a scale of their own."""
    is_flag = ((rows == 0) | (rows == 1)).all(axis=0)
    spreads = _deviations(rows)
    return {
        repr(name): float(spread)
        for name, spread, flag in zip(names, spreads, is_flag, strict=True)
        if spread > 0 and not flag
    }


def _deviations(rows: Array) -> Array:
    """The standard deviation of every column (n, d); squares of 1e308 overflow, and of what is divided they do not."""
    largest = np.abs(rows).max(axis=0).astype(np.float64)
    return np.asarray(largest * (rows / np.where(largest > 0, largest, 1.0)).std(axis=0))


def _note(spreads: dict[str, float]) -> Iterator[str]:
    if not spreads:
        return
    largest, smallest = max(spreads, key=lambda name: spreads[name]), min(spreads, key=lambda name: spreads[name])
    widest, narrowest = spreads[largest], spreads[smallest]
    advice = 'Standardize them, or let `preparation` be "auto" (LeCun et al. 1998, section 4.3).'
    if widest > MOST_APART * narrowest:
        what = f"{largest} has a standard deviation of {widest:.3g} and {smallest} one of {narrowest:.3g}"
        yield f"The numbers are fed as they are: {what}, and no learning rate suits both. {advice}"
    elif widest > MOST_SPREAD:
        what = f"{largest} has a standard deviation of {widest:.3g}"
        yield f"The numbers are fed as they are: {what}, so that the first layer starts saturated or unstable. {advice}"
