"""The calls that cross-entropies of logits share, whatever their targets are."""

from collections.abc import Sequence

import numpy as np

from core.arrays import Array, Call, at_least_double, call
from core.calls import weighted_sum
from core.class_targets import class_rows, scaled
from core.loss import LossSite
from core.rows import row_sum, shifted_exponentials


class LogitRows:
    """The logits of a loss as (examples, classes), with the work arrays that forward and backward share."""

    def __init__(self, site: LossSite) -> None:
        self._site = site
        self._logits = class_rows(site.y)
        shape = self._logits.shape
        self._log_probabilities = site.scratch("log probabilities", shape)
        self._exponentials = site.scratch("exponentials", shape)
        self._total = site.scratch("total", (shape[0], 1))

    def log_probabilities(self) -> Sequence[Call]:
        """Calls that write log softmax(y) = y − max y − log Σ exp(y − max y), and keep the exponentials."""
        logs, total = self._log_probabilities, self._total
        logarithm = self._site.scratch("logarithm", total.shape)
        return [
            *shifted_exponentials(self._logits, logs, self._exponentials, total),
            call(np.log, total, logarithm),
            call(np.subtract, logs, logarithm, logs),
        ]

    def cross_entropy(self, targets: Array) -> Sequence[Call]:
        """Calls that write −Σ q log p into the value of the loss."""
        logs, site = self._log_probabilities, self._site
        wide = site.scratch("wide", logs.shape, at_least_double(logs.dtype))
        return [call(np.multiply, targets, logs, logs), *weighted_sum(logs, -1.0, site.value, wide)]

    def slopes(self, targets: Array, weight: float) -> Sequence[Call]:
        """Calls that write weight · (softmax(y) Σ q − q) into the gradient."""
        assert self._site.dy is not None
        dy, ratio = class_rows(self._site.dy), self._site.scratch("ratio", self._total.shape)
        return [
            row_sum(targets, 1, ratio),
            call(np.divide, ratio, self._total, ratio),
            call(np.multiply, self._exponentials, ratio, dy),
            call(np.subtract, dy, targets, dy),
            *scaled(dy, weight),
        ]
