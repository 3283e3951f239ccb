"""Rows to predict, and what is predicted of them."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from core.data.cells import Cell
from service.kit.http.schemas import StrictModel

MOST_ROWS = 100_000


class PredictionRequest(StrictModel):
    """Rows as objects with the columns of the data set, or as lists of their cells; either way without the target."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rows": [{"bill_length_mm": 39.1, "island": "Dream"}]}]})

    rows: Annotated[list[dict[str, Cell]], Field(min_length=1, max_length=MOST_ROWS)] | None = Field(
        default=None, description="Each row an object with every feature column; null is a missing cell."
    )
    inputs: Annotated[list[list[Cell]], Field(min_length=1, max_length=MOST_ROWS)] | None = Field(
        default=None, description="Each row a list of cells in the order of the model's feature columns."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.rows is None) == (self.inputs is None):
            raise ValueError("Give either `rows` or `inputs`.")
        return self


class PredictionAnswer(StrictModel):
    """One prediction for each row, in the order of the rows."""

    model: str = Field(description="Reference of just the model that answered, whatever name it was called by.")
    target: list[str] = Field(description="The columns that are predicted.")
    predictions: list[str | int | float | list[str | int] | list[float]] = Field(
        description="Classes as the data set has them, or numbers in units of the target; a list for several columns."
    )
    probabilities: list[list[float]] | None = Field(
        description="Of each class, in the order of `classes`; with several target columns of two classes each, of the "
        "second class of each column. Null for numbers, and for losses whose outputs are no probabilities."
    )
    deviations: list[float] | list[list[float]] | None = Field(
        description="Standard deviations in the form of the predictions, where the loss has learned them, too "
        "(`gaussian_nll`); else null."
    )
    classes: list[str | int] | None = Field(description="The classes of the only target column.")
