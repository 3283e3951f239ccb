"""What is to be learned of target columns, when nobody says: classes or numbers."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from core.data.schema import holds_integers
from core.data.table import Column, NumberColumn
from core.data.targets import TargetEncoding

Task = Literal["classification", "regression"]

CLASS_LOSSES = frozenset({"cross_entropy", "multi_margin", "nll"})
BINARY_LOSSES = frozenset({"bce", "bce_with_logits"})

# Whole numbers are labels when they are few and each stands in several rows: the digits 0 to 9 are, while 214
# different whole numbers in 442 rows (the diabetes set) are a measurement.
_MOST_LABELS = 20
_LEAST_ROWS_PER_LABEL = 5


def guess_task(column: Column, loss_kind: str | None = None) -> Task:
    """What a loss of that kind makes of the column, or, without a loss, what its values look like."""
    if loss_kind is not None:
        return "classification" if loss_kind in CLASS_LOSSES | BINARY_LOSSES else "regression"
    if not isinstance(column, NumberColumn):
        return "classification"
    values = column.values[~column.missing]
    distinct = len(np.unique(values))
    are_labels = 2 <= distinct <= _MOST_LABELS and len(values) >= _LEAST_ROWS_PER_LABEL * distinct
    return "classification" if are_labels and holds_integers(values) else "regression"


def choose_encoding(columns: Sequence[Column], loss_kind: str | None = None) -> TargetEncoding:
    """What the target columns are turned into: one column of classes into indices, several columns into numbers.

    A binary loss takes zeros and ones, and also probabilities as they stand.
    """
    if loss_kind in BINARY_LOSSES:
        return "number" if all(_holds_probabilities(column) for column in columns) else "binary"
    if len(columns) > 1 and loss_kind not in CLASS_LOSSES:
        return "number"
    return "class" if guess_task(columns[0], loss_kind) == "classification" else "number"


def _holds_probabilities(column: Column) -> bool:
    if not isinstance(column, NumberColumn):
        return False
    values = column.values[~column.missing]
    return bool(len(values) and values.min() >= 0 and values.max() <= 1 and not holds_integers(values))
