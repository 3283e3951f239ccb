"""How good outputs are beside known targets: every metric of the task, and what is behind the metric."""

import numpy as np
from pydantic import Field

from core.arrays import Array, Model
from core.classes import Scale
from core.data.preparation import Preparation
from core.data.targets import BinaryTarget, ClassTarget, Label, Labels, NumberTarget
from core.graph.graph import Graph
from core.metric import Metric
from core.metrics import metrics_of
from core.prediction import as_numbers, output_scale, second_class

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

NEED_PROBABILITIES = frozenset({"log_loss"})
"""Metrics that scores without a probability do not have."""

MOST_CONFUSED = 1000
"""Classes of the largest confusion matrix that is given."""


class Confusion(Model):
    """Which classes were taken for which: `matrix[i][j]` counts the rows of class i that were predicted as class j."""

    column: str
    classes: list[Label]
    matrix: list[list[int]]


class Residuals(Model):
    """Prediction minus target of one column, in the units of the target."""

    column: str
    mean: float
    std: float
    min: float
    max: float
    quantiles: dict[str, float]


class Judgement(Model):
    """What outputs are worth; a metric that is undefined for these rows is null."""

    metrics: dict[str, float | None]
    confusion: list[Confusion] = Field(default=[])
    residuals: list[Residuals] = Field(default=[])


def judge(graph: Graph, preparation: Preparation, outputs: Array, targets: Array) -> Judgement:
    """Metrics of finite outputs (n, …) against targets as the loss takes them."""
    scale = output_scale(graph)
    outputs = outputs.astype(np.float64)
    match preparation.target:
        case NumberTarget() as target:
            y, t = target.values(as_numbers(graph, outputs)), target.values(targets)
            return Judgement(metrics=_regression(y, t), residuals=_residuals(target, y - t))
        case ClassTarget(labels=labels):
            few = len(labels.classes) <= MOST_CONFUSED
            confusion = [_confusion(labels, targets, outputs.argmax(axis=-1))] if few else []
            return Judgement(metrics=_classification(outputs, targets, scale), confusion=confusion)
        case BinaryTarget(labels=columns):
            outputs = outputs.reshape(len(outputs), -1)
            decided = outputs > 0 if scale is None else second_class(outputs, scale) > 0.5
            confusion_of = [
                _confusion(labels, targets[:, index].astype(np.int64), decided[:, index].astype(np.int64))
                for index, labels in enumerate(columns)
            ]
            return Judgement(metrics=_classification(outputs, targets, scale), confusion=confusion_of)


def _regression(y: Array, t: Array) -> dict[str, float | None]:
    return {name: metric.model_validate({}).measure(y, t) for name, metric in metrics_of("regression").items()}


def _classification(outputs: Array, targets: Array, scale: Scale | None) -> dict[str, float | None]:
    """Of scores that are no probabilities the largest still decides, as it does among logits."""
    return {
        name: None if scale is None and name in NEED_PROBABILITIES else _scaled(metric, scale).measure(outputs, targets)
        for name, metric in metrics_of("classification").items()
    }


def _scaled(metric: type[Metric], scale: Scale | None) -> Metric:
    return metric.model_validate({"scale": scale or "logits"})


def _confusion(labels: Labels, truth: Array, decided: Array) -> Confusion:
    classes = len(labels.classes)
    counts = np.bincount(truth * classes + decided, minlength=classes * classes).reshape(classes, classes)
    return Confusion(
        column=labels.column, classes=[labels.label(index) for index in range(classes)], matrix=counts.tolist()
    )


def _residuals(target: NumberTarget, errors: Array) -> list[Residuals]:
    return [
        Residuals(
            column=scale.column,
            mean=float(error.mean()),
            std=float(error.std()),
            min=float(error.min()),
            max=float(error.max()),
            quantiles=dict(zip(map(str, QUANTILES), np.quantile(error, QUANTILES).tolist(), strict=True)),
        )
        for scale, error in zip(target.scales, errors.T, strict=True)
    ]
