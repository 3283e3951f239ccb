"""Class probabilities out of what a network puts out, kept as logarithms so that none rounds to 0."""

from typing import Literal, NamedTuple

import numpy as np

from core.arrays import Array

Scale = Literal["logits", "probabilities", "log_probabilities"]
"""What the outputs of a classifier are."""


class Decisions(NamedTuple):
    """Log-probabilities (m, k) of the classes and the true class (m,) of m decisions."""

    log_probabilities: Array
    truth: Array


def decisions(outputs: Array, targets: Array, scale: Scale) -> Decisions:
    """Every decision of a batch whose target is known; a negative class index marks one that is not.

    Outputs (n, …, k) with targets (n, …) choose one of k classes, one column chooses between two, and outputs
    (n, k) with targets (n, k) of 0 and 1 are k decisions between two for each example.
    """
    if targets.shape == outputs.shape:
        outputs = outputs.reshape(-1, 1)
    logs = class_log_probabilities(outputs, scale)
    logs, truth = logs.reshape(-1, logs.shape[-1]), targets.reshape(-1).astype(np.int64)
    return Decisions(logs[truth >= 0], truth[truth >= 0])


def class_log_probabilities(outputs: Array, scale: Scale) -> Array:
    """Log-probabilities (n, …, k) of exclusive classes; a single column speaks for the second of two classes."""
    if outputs.shape[-1] > 1:
        return _log_softmax(outputs) if scale == "logits" else _as_logs(outputs, scale)
    if scale == "logits":
        return np.concatenate([-np.logaddexp(0.0, outputs), -np.logaddexp(0.0, -outputs)], axis=-1)
    logs = _as_logs(outputs, scale)
    return np.concatenate([_as_logs(-np.expm1(logs), "probabilities"), logs], axis=-1)


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    logs: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs


def _as_logs(outputs: Array, scale: Scale) -> Array:
    if scale == "log_probabilities":
        return outputs
    # A probability that rounded to 0 counts as the smallest normal number: its logarithm is −708, not −∞.
    logs: Array = np.log(np.maximum(outputs, np.finfo(np.float64).tiny))
    return logs
