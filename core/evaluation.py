"""How good outputs are beside known targets: every metric of the task, and what is behind the metric."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from core.arrays import Array, Model
from core.classes import Scale
from core.data.targets import BinaryTarget, ClassTarget, Label, Labels, NumberTarget, Target
from core.graph.graph import Graph
from core.loss import Loss
from core.metric import Metric
from core.metrics import metrics_of
from core.prediction import as_numbers, second_class
from core.training.scores import names_by_target

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

NEED_PROBABILITIES = frozenset({"log_loss"})
"""Metrics that scores without a probability do not have."""

MOST_CONFUSED = 1000
"""Classes of the largest confusion matrix that is given."""


class Confusion(Model):
    """Which classes were taken for which: `matrix[i][j]` counts the rows of class i that were predicted as class j.

    Columns of the same classes, such as the words of a sentence, are counted together under the first and last name.
    """

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


def judge_all(
    graph: Graph, targets: Mapping[str, Target], values: Mapping[str, Array], compared: Mapping[str, Array]
) -> Judgement:
    """What the values of the nodes that losses look at are worth, for every target.

    The metrics of the first target have their plain names, those of others stand behind the target's: `price.rmse`.
    """
    metrics: dict[str, float | None] = {}
    confusion: list[Confusion] = []
    residuals: list[Residuals] = []
    for name, prefix in names_by_target(targets):
        loss = graph.judge_of(name)
        found = judge(loss, targets[name], values[str(loss.input)], compared[name])
        metrics |= {f"{prefix}{metric}": value for metric, value in found.metrics.items()}
        confusion += found.confusion
        residuals += found.residuals
    return Judgement(metrics=metrics, confusion=confusion, residuals=residuals)


def judge(loss: Loss, target: Target, outputs: Array, compared: Array) -> Judgement:
    """Metrics of the finite outputs (n, …) that a loss compares with a target, as it takes them."""
    scale = loss.output_scale
    outputs = outputs.astype(np.float64)
    match target:
        case NumberTarget():
            y, t = target.values(as_numbers(loss, outputs)), target.values(compared)
            return Judgement(metrics=_regression(y, t), residuals=_residuals(target, y - t))
        case ClassTarget():
            few = len(target.classes) <= MOST_CONFUSED
            confusion = [_confusion(_joint(target), compared, outputs.argmax(axis=-1))] if few else []
            return Judgement(metrics=_classification(outputs, compared, scale), confusion=confusion)
        case BinaryTarget(labels=columns):
            outputs, compared = outputs.reshape(len(outputs), -1), compared.reshape(len(outputs), -1)
            decided = outputs > 0 if scale is None else second_class(outputs, scale) > 0.5
            confusion_of = [
                _confusion(labels, compared[:, index].astype(np.int64), decided[:, index].astype(np.int64))
                for index, labels in enumerate(columns)
            ]
            return Judgement(metrics=_classification(outputs, compared, scale), confusion=confusion_of)


def _joint(target: ClassTarget) -> Labels:
    """The classes that the columns have in common, under a name for all of them."""
    if not target.further:
        return target.labels
    return target.labels.model_copy(update={"column": f"{target.columns[0]} … {target.columns[-1]}"})


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
    counts = np.bincount((truth * classes + decided).reshape(-1), minlength=classes * classes).reshape(classes, classes)
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
