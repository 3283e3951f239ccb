"""The score beside the loss on each curve: accuracy for classes, root mean squared error in the target's unit.

That of the first target is called so; of further ones by their name too: `accuracy`, `price.rmse`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Literal

import numpy as np

from core.arrays import Array
from core.data.targets import BinaryTarget, NumberTarget, Target
from core.graph.graph import Graph
from core.loss import Loss
from core.training.run import Measure

ScoreName = Literal["accuracy", "rmse"]

Score = Callable[[Array, Array], float]
"""A score of outputs (n, …) against a target."""


def names_by_target(targets: Mapping[str, Target]) -> Iterator[tuple[str, str]]:
    """Each target with what stands before the names of its scores: nothing for the first."""
    for position, name in enumerate(targets):
        yield name, f"{name}." if position else ""


def score_name(target: Target, loss: Loss) -> ScoreName | None:
    """The score a run of this target and loss has; none where outputs are neither classes nor the target's numbers."""
    if not isinstance(target, NumberTarget):
        return "accuracy"
    return "rmse" if loss.gives_numbers else None


def measure_of(targets: Mapping[str, Target], graph: Graph) -> Measure:
    """What is read off the outputs after each epoch; a quick pass, beside `core.metrics` for a thorough one."""
    scores = {
        f"{prefix}{name}": (str(loss.input), target, _score(targets[target], loss))
        for target, prefix in names_by_target(targets)
        for loss in [graph.judge_of(target)]
        if (name := score_name(targets[target], loss)) is not None
    }
    return lambda outputs, compared: {
        name: score(outputs[node], compared[target]) for name, (node, target, score) in scores.items()
    }


def _score(target: Target, loss: Loss) -> Score:
    if isinstance(target, NumberTarget):
        return partial(_rmse, loss, np.array([scale.deviation for scale in target.scales]))
    if isinstance(target, BinaryTarget):
        return partial(_share_of_yes, 0.5 if loss.output_scale == "probabilities" else 0.0)
    return _share_of_classes


def _rmse(loss: Loss, deviations: Array, outputs: Array, targets: Array) -> float:
    errors = (loss.numbers(outputs).astype(np.float64) - targets).reshape(len(outputs), -1) * deviations
    return float(np.sqrt(np.mean(np.square(errors))))


def _share_of_yes(even: float, outputs: Array, targets: Array) -> float:
    return float(np.mean((outputs > even) == (targets > 0.5)))


def _share_of_classes(outputs: Array, targets: Array) -> float:
    return float(np.mean(outputs.argmax(axis=-1) == targets))
