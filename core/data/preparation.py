"""All that turns rows of a table into arrays of a network, and outputs back: fitted once, kept with the model."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, model_validator

from core.arrays import Array, Model, Shape, size_of
from core.data.choice import Choice
from core.data.features import CategoryFeature, FeaturePreparation, PreparationMode, fit_features
from core.data.indices import IndexPreparation, fit_indices
from core.data.rows import ColumnForm
from core.data.shaped import ChannelAxis, ShapedPreparation, fit_shaped
from core.data.table import Indices, Table
from core.data.targets import NumberTarget, Target, TargetEncoding, fit_target
from core.errors import Invalid, Problem

InputPreparation = Annotated[FeaturePreparation | ShapedPreparation | IndexPreparation, Field(discriminator="kind")]


@dataclass(frozen=True)
class InputPlan:
    """Which columns feed an input, and what the input takes."""

    choice: Choice
    shape: Shape | None = None
    """Of an example; None for an input that is as long as the columns make it."""

    place: str = ""
    """Where the shape is declared, if it is."""

    dtype: Literal["float", "int"] = "float"
    axis: ChannelAxis = "first"
    """Which axis counts things of different units, if there are several axes."""


@dataclass(frozen=True)
class TargetPlan:
    """Which columns make a target, and what the loss takes them for."""

    choice: Choice
    encoding: TargetEncoding
    has_free_units: bool = True
    """Whether the loss looks at nothing but differences, so that numbers may be learned in other units."""


class Preparation(Model):
    """One preparation for each input of a network, and one for each target of its losses.

    Everything learned from values (medians, means, deviations, which categories are frequent) comes from the
    training rows alone, so that what is measured on other rows is honest.
    """

    inputs: Annotated[dict[str, InputPreparation], Field(min_length=1)]
    targets: Annotated[dict[str, Target], Field(min_length=1)]
    left_out: dict[str, str] = {}
    """Columns that are no features although nobody excluded them, and why."""

    @model_validator(mode="before")
    @classmethod
    def _of_one_input_and_one_target(cls, value: Any) -> Any:
        """Until there were several, a preparation was stored without the names of its one input and one target."""
        if not isinstance(value, dict) or "target" not in value:
            return value
        others = {name: member for name, member in value.items() if name not in ("inputs", "target")}
        return {"inputs": {"x": {"kind": "columns", **value["inputs"]}}, "targets": {"y": value["target"]}, **others}

    def named(self, inputs: Iterable[str], targets: Iterable[str]) -> Self:
        """The same for a network whose only input and only target have these names; with several nothing changes."""
        return self.model_copy(
            update={"inputs": _renamed(self.inputs, inputs), "targets": _renamed(self.targets, targets)}
        )

    @classmethod
    def fit(
        cls,
        table: Table,
        training: Indices,
        inputs: Mapping[str, InputPlan],
        targets: Mapping[str, TargetPlan],
        *,
        mode: PreparationMode = "auto",
        used: Indices | None = None,
        left_out: Mapping[str, str] | None = None,
    ) -> Self:
        """The preparation that the training rows of a table ask for; rows without a target must be gone.

        All rows that are `used` must be such as their inputs take. Raises Invalid with every mistake, at the places
        where the columns were named.
        """
        problems: list[Problem] = []
        rows = training if used is None else used
        fed = {
            name: collect(problems, partial(_fit_input, table, plan, mode, training=training, used=rows))
            for name, plan in inputs.items()
        }
        compared = {
            name: collect(problems, partial(_fit_target, table, training, plan, mode)) for name, plan in targets.items()
        }
        if problems:
            raise Invalid(problems)
        return cls.model_validate({"inputs": fed, "targets": compared, "left_out": dict(left_out or {})})

    def input_arrays(self, table: Table) -> dict[str, Array]:
        """What each input is fed of the n rows, (n, d): float64, or int64 for indices. Raises Invalid."""
        return {name: one.apply(table) for name, one in self.inputs.items()}

    def target_arrays(self, table: Table) -> dict[str, Array]:
        """What the losses compare with: int64 (n,) or (n, k), or float64 (n, k). Raises Invalid."""
        return {name: one.apply(table) for name, one in self.targets.items()}

    @property
    def target_columns(self) -> tuple[str, ...]:
        """The columns of all targets, each once."""
        return tuple(dict.fromkeys(name for target in self.targets.values() for name in target.columns))

    @property
    def feature_forms(self) -> list[ColumnForm]:
        """What rows that are to be predicted must look like."""
        return _once(form for one in self.inputs.values() for form in forms_of(one))

    @property
    def target_forms(self) -> list[ColumnForm]:
        """What rows must have beside the features when a loss is to be computed of them."""
        return _once(form for target in self.targets.values() for form in _forms_of_target(target))


def forms_of(preparation: InputPreparation) -> list[ColumnForm]:
    """The columns that feed one input, in their order."""
    if not isinstance(preparation, FeaturePreparation):
        return [ColumnForm(name, "number") for name in preparation.columns]
    return [
        ColumnForm(feature.column, "category", tuple(feature.categories))
        if isinstance(feature, CategoryFeature)
        else ColumnForm(feature.column, "number")
        for feature in preparation.features
    ]


def _forms_of_target(target: Target) -> list[ColumnForm]:
    if isinstance(target, NumberTarget):
        return [ColumnForm(name, "number") for name in target.columns]
    return [ColumnForm(one.column, "number" if one.numeric else "category", tuple(one.classes)) for one in target.each]


def _once(forms: Iterable[ColumnForm]) -> list[ColumnForm]:
    """The forms without those of columns that have come before."""
    by_name: dict[str, ColumnForm] = {}
    for form in forms:
        by_name.setdefault(form.name, form)
    return list(by_name.values())


Part = TypeVar("Part")


def _renamed(parts: Mapping[str, Part], names: Iterable[str]) -> dict[str, Part]:
    names = tuple(names)
    return dict(zip(names, parts.values(), strict=True)) if len(names) == len(parts) == 1 else dict(parts)


def collect(problems: list[Problem], step: Callable[[], Part], prefix: str = "") -> Part | None:
    """What a step gives; or None, and its mistakes join the others."""
    try:
        return step()
    except Invalid as error:
        problems += [problem.below(prefix) for problem in error.problems]
        return None


def _fit_input(
    table: Table, plan: InputPlan, mode: PreparationMode, *, training: Indices, used: Indices
) -> InputPreparation:
    shape, choice = plan.shape, plan.choice
    if plan.dtype == "int":
        _check_entries(plan, len(choice.columns))
        return fit_indices(table, used, choice)
    are_numbers = all(table.column(name).kind == "number" for name in choice.columns)
    if mode == "auto" and shape is not None and len(shape) > 1 and are_numbers:
        _check_entries(plan, len(choice.columns))
        return fit_shaped(table, training, choice, shape, axis=plan.axis)
    features = fit_features(table, training, choice, mode)
    _check_entries(plan, len(features.names))
    return features


def _check_entries(plan: InputPlan, features: int) -> None:
    """Raise Invalid for an input of another size than what feeds it."""
    if plan.shape is not None and size_of(plan.shape) != features:
        detail = (
            f"the shape {list(plan.shape)} has {size_of(plan.shape)} entries, "
            f"but the columns that feed it give {features} numbers"
        )
        raise Invalid([Problem(plan.place or plan.choice.place, detail, got=list(plan.shape))])


def _fit_target(table: Table, training: Indices, plan: TargetPlan, mode: PreparationMode) -> Target:
    standardized = mode == "auto" and plan.has_free_units
    return fit_target(table, training, plan.choice, plan.encoding, standardized=standardized)
