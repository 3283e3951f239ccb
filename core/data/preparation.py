"""All that turns rows of a table into arrays of a network, and outputs back: fitted once, kept with the model."""

from collections.abc import Callable, Sequence
from typing import Self, TypeVar

import numpy as np

from core.arrays import Array, Model
from core.data.features import FeaturePreparation, NumberFeature, PreparationMode, fit_features
from core.data.names import shorten
from core.data.rows import ColumnForm
from core.data.table import Column, Floats, Indices, Table
from core.data.targets import ClassTarget, NumberTarget, Prediction, Target, TargetEncoding, fit_target
from core.data.task import choose_encoding
from core.errors import Invalid, Problem, pointer
from core.loss import Loss

_LISTED_COLUMNS = 100


class Preparation(Model):
    """The features of one network input and the target of one loss.

    Everything learned from values (medians, means, deviations, which categories are frequent) comes from the
    training rows alone, so that what is measured on other rows is honest.
    """

    inputs: FeaturePreparation
    target: Target
    left_out: dict[str, str] = {}
    """Columns that are no features although nobody excluded them, and why."""

    @classmethod
    def fit(
        cls,
        table: Table,
        training: Indices,
        target: str | Sequence[str],
        *,
        features: Sequence[str] | None = None,
        mode: PreparationMode = "auto",
        encoding: TargetEncoding | None = None,
        loss: Loss | None = None,
    ) -> Self:
        """The preparation that the training rows of a table ask for; rows without a target must be gone.

        Without `features` it is all columns but the targets and those that say nothing. Without `encoding` it is
        what `loss` takes, or, without either, what the target looks like.
        Raises Invalid, with pointers `/features/2`, `/target` and the like.
        """
        targets = target_columns(table, target)
        columns, left_out = choose_features(table, features, targets)
        problems: list[Problem] = []
        kind = None if loss is None else loss.kind
        chosen = encoding or choose_encoding([table.column(name) for name in targets], kind)
        standardized = mode == "auto" and (loss is None or loss.has_free_units)
        inputs = _collect(problems, lambda: fit_features(table, training, columns, mode))
        fitted = _collect(problems, lambda: fit_target(table, training, targets, chosen, standardized=standardized))
        if inputs is None or fitted is None:
            raise Invalid(problems)
        return cls(inputs=inputs, target=fitted, left_out=left_out)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for each of the d features, such as `age`, `age=(missing)` and `island=Dream`."""
        return self.inputs.names

    @property
    def classes(self) -> list[str] | None:
        """The class names in the order of the outputs; None where numbers are learned."""
        return self.target.classes

    def features(self, table: Table) -> Floats:
        """The features of the n rows, (n, d). Raises Invalid, with pointers `/rows/3/age`."""
        return self.inputs.apply(table)

    def targets(self, table: Table) -> Array:
        """The targets of the n rows as the loss takes them: int64 (n,) or float64 (n, k). Raises Invalid."""
        return self.target.apply(table)

    def predictions(self, decided: Array) -> list[Prediction]:
        """The predictions in the words and units of the target columns.

        `decided` holds class indices (n,), zeros and ones (n, k), or outputs (n, k), by the encoding of the target.
        """
        return self.target.predictions(decided)

    @property
    def feature_forms(self) -> list[ColumnForm]:
        """What rows that are to be predicted must look like."""
        return [
            ColumnForm(feature.column, "number")
            if isinstance(feature, NumberFeature)
            else ColumnForm(feature.column, "category", tuple(feature.categories))
            for feature in self.inputs.features
        ]

    @property
    def target_forms(self) -> list[ColumnForm]:
        """What rows must have beside the features when a loss is to be computed of them."""
        if isinstance(self.target, NumberTarget):
            return [ColumnForm(name, "number") for name in self.target.columns]
        labels = [self.target.labels] if isinstance(self.target, ClassTarget) else self.target.labels
        return [ColumnForm(one.column, "number" if one.numeric else "category", tuple(one.classes)) for one in labels]


Part = TypeVar("Part")


def _collect(problems: list[Problem], fit: Callable[[], Part]) -> Part | None:
    """What `fit` gives; or None, and its mistakes are added to the others."""
    try:
        return fit()
    except Invalid as error:
        problems += error.problems
        return None


def target_columns(table: Table, target: str | Sequence[str]) -> list[str]:
    """The target columns as a list. Raises Invalid, at `/target` or `/target/1`, for names the table lacks."""
    names = [target] if isinstance(target, str) else list(target)
    places = ["/target"] if isinstance(target, str) else [pointer("target", position) for position in range(len(names))]
    problems = _name_problems(table, names, places)
    if not names:
        problems.append(Problem("/target", "needs at least one column"))
    if problems:
        raise Invalid(problems)
    return names


def choose_features(
    table: Table, features: Sequence[str] | None, targets: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """The feature columns, and the columns left out with the reason. Raises Invalid, at `/features/2`."""
    if features is not None:
        _check_features(table, features, targets)
        return list(features), {}
    reasons = {column.name: _reason(column) for column in table.columns if column.name not in targets}
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    chosen = [name for name in reasons if name not in left_out]
    if not chosen:
        raise Invalid([Problem("/features", "no column is left that could be a feature")])
    return chosen, left_out


def _reason(column: Column) -> str | None:
    if column.kind == "text":
        return "text: nearly all values are different"
    return "every value is missing" if column.missing.all() else None


def _check_features(table: Table, features: Sequence[str], targets: Sequence[str]) -> None:
    places = [pointer("features", position) for position in range(len(features))]
    problems = _name_problems(table, features, places)
    problems += [
        Problem(place, f"{shorten(name)!r} is the target; it cannot be a feature too")
        for place, name in zip(places, features, strict=True)
        if name in targets
    ]
    if not features:
        problems.append(Problem("/features", "needs at least one column"))
    if problems:
        raise Invalid(problems)


def _name_problems(table: Table, names: Sequence[str], places: Sequence[str]) -> list[Problem]:
    known = frozenset(table.names)
    allowed: list[object] = list(table.names[:_LISTED_COLUMNS])
    problems = [
        Problem(place, "there is no such column", allowed=allowed, got=shorten(name))
        for place, name in zip(places, names, strict=True)
        if name not in known
    ]
    problems += [
        Problem(place, f"column {shorten(name)!r} is named twice")
        for position, (place, name) in enumerate(zip(places, names, strict=True))
        if name in names[:position]
    ]
    return problems


def rows_with_target(table: Table, targets: Sequence[str]) -> Indices:
    """The rows in which no target is missing; only they can be learned from."""
    missing = np.zeros(table.rows, np.bool_)
    for name in targets:
        missing |= table.column(name).missing
    return np.flatnonzero(~missing)
