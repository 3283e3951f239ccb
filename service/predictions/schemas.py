"""Rows to predict, and what is predicted of them."""

from typing import Annotated, Self

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag, model_validator

from core.data.cells import Cell
from service.kit.http.schemas import StrictModel

MOST_ROWS = 100_000

Rows = Annotated[list[JsonValue], Field(min_length=1, max_length=MOST_ROWS)]
Value = str | int | float | list[str | int] | list[float]
Shares = list[float] | list[list[float]]
Deviation = float | list[float]


def _form_of(value: object) -> str:
    return "by name" if isinstance(value, dict) else "rows of cells"


Inputs = Annotated[
    Annotated[Rows, Tag("rows of cells")]
    | Annotated[dict[str, Rows], Field(min_length=1, max_length=1000), Tag("by name")],
    Discriminator(_form_of),
]


class PredictionRequest(StrictModel):
    """Rows as objects with the columns of the data set, or as lists of their cells; either way without the target.

    Both are prepared as the rows of the training were: cells are what the data set would hold.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"rows": [{"bill_length_mm": 39.1, "island": "Dream"}]}]})

    rows: Annotated[list[dict[str, Cell]], Field(min_length=1, max_length=MOST_ROWS)] | None = Field(
        default=None, description="Each row an object with every feature column; null is a missing cell."
    )
    inputs: Inputs | None = Field(
        default=None,
        description="Each row a list of cells in the order of the model's feature columns; for an input with a shape, "
        "such as an image, also a list nested by it. For a model with several inputs, an object with such rows for "
        'each of them by its name: `{"x": [[…], …], "ids": [[…], …]}`.',
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.rows is None) == (self.inputs is None):
            raise ValueError("Give either `rows` or `inputs`.")
        return self


class PredictionAnswer(StrictModel):
    """One prediction for each row, in the order of the rows."""

    model: str = Field(description="Reference of just the model that answered, whatever name it was called by.")
    target: list[str] | dict[str, list[str]] = Field(
        description="The columns that are predicted; of a model with several targets, by the name of each."
    )
    predictions: list[Value | dict[str, Value]] = Field(
        description="Classes as the data set has them, or numbers in units of the target; a list for several columns. "
        "For several targets each row is an object with the prediction of every target."
    )
    probabilities: list[Shares | dict[str, Shares | None]] | None = Field(
        description="Of each class, in the order of `classes`; for several columns of the same classes a list of them "
        "for each column, and for several columns of two classes each that of the second class of each column. "
        "Null for numbers, and for losses whose outputs are no probabilities. For several targets each row is an "
        "object with those of every target."
    )
    classes: list[str | int] | dict[str, list[str | int] | None] | None = Field(
        description="The classes of the only target column, or of several that have them in common; for several "
        "targets, by the name of each."
    )
    deviations: list[Deviation | dict[str, Deviation | None]] | None = Field(
        description="Standard deviations in the form of the predictions, where the loss has learned them, too "
        "(`gaussian_nll`); else null."
    )
