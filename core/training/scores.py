"""The score beside the loss on each curve: accuracy for classes, root mean squared error in the target's unit."""

from collections.abc import Mapping

import numpy as np

from core.arrays import Array
from core.data.targets import BinaryTarget, ClassTarget, NumberTarget
from core.training.run import Measure


def measure_of(target: ClassTarget | BinaryTarget | NumberTarget) -> Measure:
    """What is read off the outputs after each epoch; a quick pass, beside `core.metrics` for a thorough one."""
    if isinstance(target, NumberTarget):
        deviations = np.array([scale.deviation for scale in target.scales])
        return lambda outputs, targets: {"rmse": _rmse(outputs, _only(targets), deviations)}
    if isinstance(target, BinaryTarget):
        return lambda outputs, targets: {"accuracy": float(np.mean((outputs > 0) == (_only(targets) > 0.5)))}
    return lambda outputs, targets: {"accuracy": float(np.mean(outputs.argmax(axis=-1) == _only(targets)))}


def _only(targets: Mapping[str, Array]) -> Array:
    (target,) = targets.values()
    return target


def _rmse(outputs: Array, targets: Array, deviations: Array) -> float:
    errors = (outputs.astype(np.float64) - targets) * deviations
    return float(np.sqrt(np.mean(np.square(errors))))
