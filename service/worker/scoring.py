"""What a finished run is worth: scores on every split, and the proof that its gradients are right."""

from typing import Any

import numpy as np

from core.arrays import type_of_precision
from core.errors import Invalid
from core.evaluation import judge_all
from core.experiment import Experiment
from core.graph.evaluator import Evaluator
from core.inspect.batch import Posed
from core.inspect.gradient_check import check
from core.training.examples import Examples
from core.weights import weights_from_bytes
from service.epochs.use_cases import finite

CERTIFIED_ROWS = 16
"""Training rows of the batch on which gradients are checked."""

LARGEST_CERTIFIED = 20_000_000
"""Tensors times parameters: what is larger would take longer to check than it is worth after every run."""

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
    values = evaluator.values(examples.inputs, list({*evaluator.judged, graph.output}))
    loss = finite(evaluator.judge(values, examples.targets, examples.sample_weights))
    if not all(np.isfinite(outputs).all() for outputs in values.values()):
        return {"loss": loss}
    return {"loss": loss, **judge_all(graph, experiment.preparation.targets, values, examples.targets).metrics}


def certify(experiment: Experiment, weights: bytes) -> dict[str, Any] | None:
    """The gradient check of these weights on a few training rows; None for a network too large for it."""
    graph, examples = experiment.graph, experiment.training
    if len(graph.layout) * graph.parameter_count > LARGEST_CERTIFIED:
        return None
    rows = np.arange(min(CERTIFIED_ROWS, examples.rows))
    parameters = weights_from_bytes(graph, weights, np.dtype(np.float64))
    batch = examples.take(rows).typed(graph, np.float64)
    posed = Posed(graph, parameters, batch, training=False, seed=experiment.spec.seed)
    try:
        return check(posed, inputs=False, lists_entries=False).model_dump(mode="json")
    except Invalid:
        return None


def _splits(experiment: Experiment) -> dict[str, Examples]:
    splits = {"training": experiment.training, "validation": experiment.validation, "test": experiment.test}
    return {name: examples for name, examples in splits.items() if examples is not None and examples.rows}
