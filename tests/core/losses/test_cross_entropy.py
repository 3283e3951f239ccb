"""Cross-entropy: worked numbers, class weights, smoothing, ignored classes, and what it refuses."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core.arrays import Array, batch_first, batch_last
from core.errors import Invalid
from core.loss import LossSite
from core.losses.cross_entropy import CrossEntropy
from core.losses.nll import Nll
from core.op import ShapeMismatch

LOGITS = np.array([[1.0, 2.0, 3.0], [0.5, -0.5, 0.0], [2.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
CLASSES = [0, 2, 1, 1]


def judged(loss: CrossEntropy | Nll, y: Array, t: Sequence[Any] | Array, weights: Array | None = None) -> LossSite:
    """What the loss makes of outputs (n, …) and targets (n, …)."""
    y = np.ascontiguousarray(batch_last(y))
    site = LossSite(y, batch_last(np.asarray(t)), np.zeros_like(y), np.zeros(()), weights)
    for call in (*loss.prepare(site), *loss.forward(site), *loss.backward(site)):
        call()
    return site


def gradient(site: LossSite) -> Array:
    assert site.dy is not None
    return batch_first(site.dy)


def log_probabilities(y: Array) -> Array:
    return np.asarray(y - np.log(np.exp(y).sum(-1, keepdims=True)))


def test_the_example_of_the_docstring() -> None:
    site = judged(CrossEntropy(), LOGITS[:1], [0])
    np.testing.assert_allclose(site.value, 2.40760596444438, rtol=1e-14)
    expected = np.array([[-0.9099694268296196, 0.24472847105479764, 0.6652409557748219]])
    np.testing.assert_allclose(gradient(site), expected, rtol=1e-14)


def test_the_mean_with_class_weights_divides_by_the_weights_that_count() -> None:
    weights = np.array([0.5, 1.0, 3.0])
    site = judged(CrossEntropy(class_weight=weights.tolist(), ignore_index=0), LOGITS, CLASSES)
    counted = [(1, 2), (2, 1), (3, 1)]
    terms = [-weights[t] * log_probabilities(LOGITS)[i, t] for i, t in counted]
    np.testing.assert_allclose(site.value, sum(terms) / (3.0 + 1.0 + 1.0), rtol=1e-14)


def test_smoothing_with_class_weights_weighs_each_class_by_its_own() -> None:
    weights, smoothing = np.array([0.5, 1.0, 3.0]), 0.2
    site = judged(
        CrossEntropy(class_weight=weights.tolist(), label_smoothing=smoothing, reduction="sum"), LOGITS, CLASSES
    )
    logs = log_probabilities(LOGITS)
    own = sum(-(1 - smoothing) * weights[t] * logs[i, t] for i, t in enumerate(CLASSES))
    spread = sum(-smoothing / 3 * weights @ logs[i] for i in range(4))
    np.testing.assert_allclose(site.value, own + spread, rtol=1e-14)


def test_weights_of_examples_do_not_change_what_the_mean_divides_by() -> None:
    weights = np.array([1.0, 0.0, 2.0, 0.5])
    site = judged(CrossEntropy(), LOGITS, CLASSES, weights)
    terms = -log_probabilities(LOGITS)[np.arange(4), CLASSES]
    np.testing.assert_allclose(site.value, weights @ terms / 4, rtol=1e-14)


@pytest.mark.parametrize("ignored", [-100, -1, 2, 7])
def test_ignored_examples_are_as_if_they_were_not_there(ignored: int) -> None:
    loss = CrossEntropy(ignore_index=ignored)
    site = judged(loss, LOGITS, [0, ignored, 1, ignored])
    alone = judged(CrossEntropy(), LOGITS[[0, 2]], [0, 1])
    np.testing.assert_allclose(site.value, alone.value, rtol=1e-15)
    np.testing.assert_array_equal(gradient(site)[[1, 3]], 0.0)
    np.testing.assert_allclose(gradient(site)[[0, 2]], gradient(alone), rtol=1e-15)


@pytest.mark.parametrize("kind", [CrossEntropy, Nll])
def test_a_batch_of_which_nothing_counts_has_loss_zero(kind: type[CrossEntropy | Nll]) -> None:
    site = judged(kind(ignore_index=-1), LOGITS, [-1, -1, -1, -1])
    assert site.value == 0.0
    np.testing.assert_array_equal(gradient(site), 0.0)


def test_a_sequence_is_judged_step_by_step() -> None:
    y, t = LOGITS.reshape(2, 2, 3), np.array(CLASSES).reshape(2, 2)
    sequence, flat = (
        judged(CrossEntropy(label_smoothing=0.1), y, t),
        judged(CrossEntropy(label_smoothing=0.1), LOGITS, CLASSES),
    )
    np.testing.assert_allclose(sequence.value, flat.value, rtol=1e-15)
    np.testing.assert_allclose(gradient(sequence).reshape(4, 3), gradient(flat), rtol=1e-14)


def test_a_weight_of_an_example_holds_for_all_its_steps() -> None:
    y, t = LOGITS.reshape(2, 2, 3), np.array(CLASSES).reshape(2, 2)
    sequence = judged(CrossEntropy(), y, t, np.array([0.5, 2.0]))
    flat = judged(CrossEntropy(), LOGITS, CLASSES, np.array([0.5, 0.5, 2.0, 2.0]))
    np.testing.assert_allclose(sequence.value, flat.value, rtol=1e-15)


def test_log_softmax_and_nll_are_cross_entropy() -> None:
    loss, weights = judged(CrossEntropy(), LOGITS, CLASSES), judged(Nll(), log_probabilities(LOGITS), CLASSES)
    np.testing.assert_allclose(loss.value, weights.value, rtol=1e-14)


def test_balanced_weights_must_have_been_counted() -> None:
    with pytest.raises(Invalid, match="/class_weight"):
        judged(CrossEntropy(class_weight="balanced"), LOGITS, CLASSES)


@pytest.mark.parametrize(
    ("loss", "output", "message"),
    [
        (CrossEntropy(), (1,), "at least two classes"),
        (CrossEntropy(), (), "at least two classes"),
        (CrossEntropy(class_weight=[1.0, 2.0]), (3,), "2 numbers in `class_weight` for 3 classes"),
    ],
)
def test_outputs_that_are_no_classes_are_refused(loss: CrossEntropy, output: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        loss.target_shape(output)


@pytest.mark.parametrize(
    "fields",
    [
        {"label_smoothing": 1.0},
        {"label_smoothing": -0.1},
        {"class_weight": [-1.0, 1.0]},
        {"class_weight": "equal"},
        {"class_weight": [1.0, float("nan")]},
        {"ignore_index": 1.5},
        {"pos_weight": 2.0},
        {"reduction": "none"},
    ],
)
def test_fields_that_mean_nothing_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CrossEntropy.model_validate(fields)
