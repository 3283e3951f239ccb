"""On what a model is to be measured, and how good it is there."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from core.evaluation import Confusion, Residuals
from service.kit.http.schemas import StrictModel

SplitName = Literal["training", "validation", "test"]


class EvaluationRequest(StrictModel):
    """Either another data set, or a split of the one the model was trained on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"split": "test"}]})

    dataset: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Id of a data set with the columns the model was trained on, the target included."
    )
    split: SplitName | None = Field(default=None, description="The rows of this split, as the job divided them.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.dataset is None) == (self.split is None):
            raise ValueError("Give either `dataset` or `split`.")
        return self


class EvaluationAnswer(StrictModel):
    """Loss and metrics over all rows at once."""

    model: str = Field(description="Reference of just the model that was measured.")
    dataset: str
    split: SplitName | None
    rows: int = Field(description="Rows with a target; others cannot be measured.")
    loss: float | None = Field(description="The data term of the objective, in the units it was trained in.")
    metrics: dict[str, float | None] = Field(
        description="Null where a metric is undefined for these rows. Of several targets the first has the plain "
        "names, the others stand behind theirs: `price.rmse`."
    )
    confusion: list[Confusion] = Field(description="For classes: one matrix for each target column.")
    residuals: list[Residuals] = Field(description="For numbers: prediction minus target of each target column.")
