"""The score beside the loss on each curve: accuracy for classes, root mean squared error in the target's unit."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from core.arrays import Array
from core.data.targets import BinaryTarget, NumberTarget, Target
from core.loss import Loss
from core.training.run import Measure

ScoreName = Literal["accuracy", "rmse"]


def score_name(target: Target, loss: Loss) -> ScoreName | None:
    """The score a run of this target and loss has; none where outputs are neither classes nor the target's numbers."""
    if not isinstance(target, NumberTarget):
        return "accuracy"
    return "rmse" if loss.gives_numbers else None


def measure_of(target: Target, loss: Loss) -> Measure:
    """What is read off the outputs after each epoch; a quick pass, beside `core.metrics` for a thorough one."""
    if score_name(target, loss) is None:
        return lambda outputs, targets: {}
    if isinstance(target, NumberTarget):
        deviations = np.array([scale.deviation for scale in target.scales])
        return lambda outputs, targets: {"rmse": _rmse(loss.numbers(outputs), _only(targets), deviations)}
    if isinstance(target, BinaryTarget):
        even = 0.5 if loss.output_scale == "probabilities" else 0.0
        return lambda outputs, targets: {"accuracy": float(np.mean((outputs > even) == (_only(targets) > 0.5)))}
    return lambda outputs, targets: {"accuracy": float(np.mean(outputs.argmax(axis=-1) == _only(targets)))}


def _only(targets: Mapping[str, Array]) -> Array:
    (target,) = targets.values()
    return target


def _rmse(outputs: Array, targets: Array, deviations: Array) -> float:
    errors = (outputs.astype(np.float64) - targets) * deviations
    return float(np.sqrt(np.mean(np.square(errors))))
