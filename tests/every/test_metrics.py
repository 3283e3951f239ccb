"""What holds of every metric, and each by hand."""

import math
from typing import Any

import numpy as np
import pytest

from core.arrays import Array
from core.classes import class_log_probabilities
from core.metrics import METRICS, metrics_of

CLASSIFIERS = list(metrics_of("classification"))
REGRESSORS = list(metrics_of("regression"))

every_classifier = pytest.mark.parametrize("kind", CLASSIFIERS)
every_regressor = pytest.mark.parametrize("kind", REGRESSORS)
every_metric = pytest.mark.parametrize("kind", METRICS)


def measure(kind: str, outputs: Any, targets: Any, **fields: Any) -> float | None:
    metric = METRICS[kind](**fields)
    return metric.measure(np.asarray(outputs), np.asarray(targets))


LOGITS = [[2.0, 1.0, 0.0], [0.0, 3.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 5.0]]
TRUTH = [0, 1, 2, 2]
"""Three of four right; the third example, of class 2, is taken for class 1."""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("accuracy", 3 / 4),
        ("balanced_accuracy", (1 + 1 + 1 / 2) / 3),
        ("macro_f1", (2 * 1 / 2 + 2 * 1 / 3 + 2 * 1 / 3) / 3),
    ],
)
def test_three_of_four_decisions_are_right(kind: str, expected: float) -> None:
    assert measure(kind, LOGITS, TRUTH) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(("kind", "expected"), [("rmse", math.sqrt((1 + 0 + 4) / 3)), ("mae", 1.0), ("r2", 1 - 5 / 8)])
def test_errors_of_one_zero_and_two(kind: str, expected: float) -> None:
    """Predictions 2, 3, 7 of 1, 3, 5: the target's squares about its mean of 3 sum to 8."""
    assert measure(kind, [[2.0], [3.0], [7.0]], [1.0, 3.0, 5.0]) == pytest.approx(expected, rel=1e-15)


def test_every_metric_is_worked_by_hand() -> None:
    assert set(METRICS) == {"accuracy", "balanced_accuracy", "macro_f1", "log_loss", "rmse", "mae", "r2"}


def test_log_loss_of_a_guess_among_three_is_log_3() -> None:
    assert measure("log_loss", np.zeros((5, 3)), [0, 1, 2, 0, 1]) == pytest.approx(math.log(3), rel=1e-15)


def test_log_loss_of_extreme_logits_is_their_difference() -> None:
    assert measure("log_loss", [[1000.0, -1000.0]], [1]) == 2000.0
    assert measure("log_loss", [[1000.0]], [0]) == 1000.0
    assert measure("log_loss", [[1000.0]], [1]) == 0.0


def test_log_loss_of_a_probability_that_rounded_to_zero_is_finite() -> None:
    assert measure("log_loss", [[1.0, 0.0]], [1], scale="probabilities") == pytest.approx(708.4, abs=0.1)


@every_classifier
def test_one_logit_says_what_two_say(kind: str) -> None:
    logits, truth = np.array([[2.0], [-1.0], [0.5], [-3.0]]), np.array([1, 1, 1, 0])
    two = np.concatenate([np.zeros((4, 1)), logits], axis=1)
    expected = measure(kind, two, truth)
    assert measure(kind, logits, truth) == pytest.approx(expected, rel=1e-14)
    assert measure(kind, logits, truth[:, None].astype(np.float32)) == pytest.approx(expected, rel=1e-14)


@every_classifier
@pytest.mark.parametrize("columns", [1, 3])
def test_logits_probabilities_and_their_logarithms_say_the_same(kind: str, columns: int) -> None:
    logits = np.random.default_rng(0).normal(size=(50, columns))
    truth = np.random.default_rng(1).integers(0, max(columns, 2), 50)
    logs = class_log_probabilities(logits, "logits")
    logs = logs[:, 1:] if columns == 1 else logs
    expected = measure(kind, logits, truth)
    assert measure(kind, logs, truth, scale="log_probabilities") == pytest.approx(expected, rel=1e-12)
    assert measure(kind, np.exp(logs), truth, scale="probabilities") == pytest.approx(expected, rel=1e-12)


@every_classifier
def test_several_labels_at_once_are_decisions_of_their_own(kind: str) -> None:
    logits, truth = np.array([[2.0, -1.0], [0.5, -3.0]]), np.array([[1.0, 1.0], [1.0, 0.0]])
    assert measure(kind, logits, truth) == measure(kind, logits.reshape(-1, 1), truth.reshape(-1))


@every_classifier
def test_examples_without_a_target_do_not_count(kind: str) -> None:
    known = measure(kind, LOGITS, TRUTH)
    assert measure(kind, [*LOGITS, [9.0, 0.0, 0.0]], [*TRUTH, -1]) == known
    assert measure(kind, LOGITS, [-1] * 4) is None


@every_classifier
def test_a_step_of_a_sequence_is_a_decision(kind: str) -> None:
    assert measure(kind, np.reshape(LOGITS, (2, 2, 3)), np.reshape(TRUTH, (2, 2))) == measure(kind, LOGITS, TRUTH)


@every_regressor
def test_the_shape_of_the_target_does_not_matter(kind: str) -> None:
    """A column (n, 1) beside a vector (n,) must not become a table (n, n)."""
    outputs, targets = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.5, 3.0])
    expected = measure(kind, outputs, targets)
    assert measure(kind, outputs[:, None], targets) == expected
    assert measure(kind, outputs, targets[:, None]) == expected


def best_and_worse(kind: str) -> tuple[Array, Array, Array]:
    if METRICS[kind].task == "classification":
        targets = np.array([0, 1, 2, 1])
        return 50.0 * np.eye(3)[targets], 50.0 * np.eye(3)[[0, 1, 1, 1]], targets
    targets = np.array([1.0, 2.0, 4.0])
    return targets, targets + 1.0, targets


@every_metric
def test_a_perfect_prediction_is_on_the_better_side(kind: str) -> None:
    perfect, worse, targets = best_and_worse(kind)
    best, other = measure(kind, perfect, targets), measure(kind, worse, targets)
    assert best is not None
    assert other is not None
    assert (best > other) is METRICS[kind].higher_is_better
    assert best == pytest.approx(1.0 if METRICS[kind].higher_is_better else 0.0, abs=1e-15)


@every_metric
def test_outputs_that_are_not_finite_have_no_metric(kind: str) -> None:
    perfect, _, targets = best_and_worse(kind)
    assert measure(kind, np.full_like(perfect, math.nan), targets) is None


@every_metric
def test_no_examples_have_no_metric(kind: str) -> None:
    assert measure(kind, np.zeros((0, 3)), np.zeros(0)) is None


@every_metric
def test_float32_outputs_are_measured_in_float64(kind: str) -> None:
    outputs, targets = best_and_worse(kind)[1:]
    outputs = (outputs + 0.1).astype(np.float32)
    assert measure(kind, outputs, targets) == measure(kind, outputs.astype(np.float64), targets)


def test_r2_of_a_constant_target_is_undefined() -> None:
    """The mean of three times 0.1 is not 0.1: rounding alone would leave a variance of 2e-34 to divide by."""
    assert measure("r2", [[1.0], [2.0], [3.0]], [0.1, 0.1, 0.1]) is None


def test_r2_of_several_columns_is_their_mean() -> None:
    targets = np.array([[1.0, 10.0], [2.0, 30.0], [3.0, 20.0]])
    outputs = np.array([[1.0, 20.0], [2.0, 20.0], [3.0, 20.0]])
    assert measure("r2", outputs, targets) == pytest.approx(0.5, rel=1e-15)
