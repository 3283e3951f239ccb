"""From outputs of a network to predictions: classes with their probabilities, or numbers in the target's units."""

from dataclasses import dataclass

import numpy as np

from core.arrays import Array
from core.classes import Scale, class_log_probabilities
from core.data.targets import BinaryTarget, ClassTarget, Label, NumberTarget, Prediction, Target
from core.errors import Invalid, Problem
from core.loss import Loss


@dataclass(frozen=True)
class Predictions:
    """One prediction a row."""

    predictions: list[Prediction]
    probabilities: Array | None
    """(n, k) for one column of k classes, (n, L, k) for L columns of the same classes; for several columns of two
    classes each, that of each column's second."""

    deviations: list[float] | list[list[float]] | None = None
    """Standard deviations in the form of the predictions, where a loss has learned them beside the numbers."""


def predict(loss: Loss, target: Target, outputs: Array, *, place: str = "/rows") -> Predictions:
    """The predictions of a target that the outputs (n, …), which a loss compares with it, stand for.

    Raises Invalid, at `/rows/3` unless `place` says otherwise, for a row whose output is not finite.
    """
    _refuse_non_finite(outputs, place)
    # Logits 1e308 apart: their difference overflows to −∞, and the probability is 0 as it should be.
    with np.errstate(over="ignore"):
        return _decode(loss, target, outputs.astype(np.float64), place)


def _decode(loss: Loss, target: Target, outputs: Array, place: str) -> Predictions:
    match target:
        case ClassTarget():
            return _of_classes(target, outputs, loss.output_scale)
        case BinaryTarget():
            return _of_yes_and_no(target, outputs.reshape(len(outputs), -1), loss.output_scale)
        case NumberTarget():
            numbers = target.predictions(as_numbers(loss, outputs))
            return Predictions(numbers, None, _deviations(loss, target, outputs, place))


def as_numbers(loss: Loss, outputs: Array) -> Array:
    """The outputs as numbers like the targets; where those are probabilities, what the loss takes outputs for."""
    scale = loss.output_scale
    if scale is None:
        return loss.numbers(outputs)
    if loss.chooses_one and outputs.shape[-1] > 1:
        return np.asarray(np.exp(class_log_probabilities(outputs, scale)))
    return second_class(outputs, scale)


def _deviations(loss: Loss, target: NumberTarget, outputs: Array, place: str) -> list[float] | list[list[float]] | None:
    """Standard deviations in the units of the target columns, where the outputs tell them."""
    found = loss.deviations(outputs)
    if found is None:
        return None
    spreads = target.spreads(found)
    _refuse_non_finite(spreads, place)
    return list(spreads[:, 0].tolist() if target.width == 1 else spreads.tolist())


def second_class(outputs: Array, scale: Scale) -> Array:
    """Probability of the second of two classes for every entry of the outputs."""
    probabilities: Array = np.exp(class_log_probabilities(outputs[..., None], scale)[..., 1])
    return probabilities


def class_labels(target: Target) -> list[Label] | None:
    """The classes in the order of the probabilities, as the columns have them; None for columns of different ones."""
    match target:
        case ClassTarget(labels=labels) | BinaryTarget(labels=[labels]):
            return [labels.label(index) for index in range(len(labels.classes))]
        case _:
            return None


def _of_classes(target: ClassTarget, outputs: Array, scale: Scale | None) -> Predictions:
    """One decision for each column, on the last axis of the outputs."""
    decided = target.predictions(outputs.argmax(axis=-1))
    if scale is None:
        return Predictions(decided, None)
    probabilities: Array = np.exp(class_log_probabilities(outputs, scale))
    shape = (len(target.columns),) if target.further else ()
    return Predictions(decided, probabilities.reshape(len(outputs), *shape, -1))


def _of_yes_and_no(target: BinaryTarget, outputs: Array, scale: Scale | None) -> Predictions:
    """Each column decides between its two classes by itself."""
    if scale is None:
        return Predictions(target.predictions((outputs > 0).astype(np.int64)), None)
    second = second_class(outputs, scale)
    decided = target.predictions((second > 0.5).astype(np.int64))
    only = outputs.shape[1] == 1
    return Predictions(decided, np.concatenate([1.0 - second, second], axis=1) if only else second)


def _refuse_non_finite(outputs: Array, place: str) -> None:
    rows = np.flatnonzero(~np.isfinite(outputs.reshape(len(outputs), -1)).all(axis=1))[:10].tolist()
    if rows:
        detail = "the output of the network is not finite for this row: its numbers are too far from the training rows"
        raise Invalid([Problem(f"{place}/{row}", detail) for row in rows])
