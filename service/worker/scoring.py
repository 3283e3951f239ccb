"""What a finished run is worth: scores on every split."""

import numpy as np

from core.arrays import type_of_precision
from core.evaluation import judge_all
from core.experiment import Experiment
from core.graph.evaluator import Evaluator
from core.training.examples import Examples
from core.weights import weights_from_bytes
from service.epochs.use_cases import finite

Scores = dict[str, dict[str, float | None]]


def score(experiment: Experiment, weights: bytes) -> Scores:
    """Loss and metrics of these weights on every split that has rows, in evaluation mode."""
    graph = experiment.graph
    dtype = type_of_precision[experiment.spec.dtype]
    evaluator = Evaluator(graph, weights_from_bytes(graph, weights, dtype))
    # Other rows than those of the training may overflow; that is what null is for.
    with np.errstate(all="ignore"):
        return {
            split: _score(experiment, evaluator, examples.typed(graph, dtype))
            for split, examples in _splits(experiment).items()
        }


def _score(experiment: Experiment, evaluator: Evaluator, examples: Examples) -> dict[str, float | None]:
    graph = experiment.graph
    values = evaluator.values(examples.inputs, list(graph.outcomes))
    loss = finite(evaluator.judge(values, examples.targets, examples.sample_weights))
    if not all(np.isfinite(outputs).all() for outputs in values.values()):
        return {"loss": loss}
    return {"loss": loss, **judge_all(graph, experiment.preparation.targets, values, examples.targets).metrics}


def _splits(experiment: Experiment) -> dict[str, Examples]:
    splits = {"training": experiment.training, "validation": experiment.validation, "test": experiment.test}
    return {name: examples for name, examples in splits.items() if examples is not None and examples.rows}
