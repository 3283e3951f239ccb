"""What outputs at many points mean: classes with their probabilities, or numbers; for a target, or for a loss alone."""

from dataclasses import dataclass

import numpy as np

from core.arrays import Array
from core.classes import class_log_probabilities
from core.data.targets import BinaryTarget, Label, NumberTarget, OutputNotFinite, Target
from core.errors import Invalid, Problem
from core.loss import Loss
from core.prediction import as_numbers, predict


@dataclass(frozen=True)
class Decided:
    """One decision or number for each of n points; what does not apply is None."""

    classes: list[Label] | None = None
    indices: Array | None = None
    """(n,)"""

    shares: Array | None = None
    """Probabilities (n, k) of all classes."""

    values: Array | None = None
    """(n, …)"""


def decided_for(target: Target, column: str, loss: Loss, outputs: Array) -> Decided:
    """What outputs (n, …), which a loss compares with a target, say of one of its columns.

    Raises Invalid at `/ranges` where one of them is not finite.
    """
    try:
        found = predict(loss, target, outputs)
    except (Invalid, OutputNotFinite) as error:
        raise _not_finite() from error
    position, several = target.columns.index(column), len(target.columns) > 1
    decided = [row[position] if isinstance(row, list) else row for row in found.predictions]
    if isinstance(target, NumberTarget):
        return Decided(values=np.array(decided, np.float64))
    labels = target.each[position]
    classes = [labels.label(index) for index in range(len(labels.classes))]
    index_of = {label: index for index, label in enumerate(classes)}
    shares = found.probabilities
    if shares is not None and several:
        shares = shares[:, position]
        if isinstance(target, BinaryTarget):
            shares = np.stack([1.0 - shares, shares], axis=-1)
    return Decided(classes, np.array([index_of[label] for label in decided if not isinstance(label, float)]), shares)


def decided_by(loss: Loss | None, outputs: Array) -> Decided:
    """What outputs (n, …) mean to a loss; without one they are numbers. Raises Invalid at `/ranges`."""
    if not np.isfinite(outputs).all():
        raise _not_finite()
    scale = None if loss is None else loss.output_scale
    if loss is not None and scale is not None and outputs.ndim == 2 and (loss.chooses_one or outputs.shape[1] == 1):
        shares = np.exp(class_log_probabilities(outputs, scale))
        return Decided(indices=shares.argmax(axis=-1), shares=shares)
    numbers = outputs if loss is None else as_numbers(loss, outputs)
    return Decided(values=numbers[:, 0] if numbers.shape[1:] == (1,) else numbers)


def _not_finite() -> Invalid:
    detail = "the output is not finite somewhere on the grid: choose ranges nearer to the training rows"
    return Invalid([Problem("/ranges", detail)])
