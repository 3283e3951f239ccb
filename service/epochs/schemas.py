"""What the epochs route answers."""

from pydantic import Field

from service.kit.http.schemas import StrictModel

Column = list[float | None]


class Curves(StrictModel):
    """One column for each measure, one entry for each epoch; for each update if the job is a range test."""

    epoch: list[int]
    step: list[int] = Field(description="Updates of the weights up to the end of the epoch.")
    training: dict[str, Column] = Field(
        description="While the weights moved; `loss` is the mean over the examples of the epoch, penalties stand "
        "apart. Scores of further targets stand behind their names: `price.rmse`. A range test has `smoothed_loss` "
        "beside it, the average that its result is read off."
    )
    validation: dict[str, Column] = Field(description="After the epoch; empty without a validation split.")
    learning_rate: list[float]
    gradient_norm: Column = Field(description="Mean over the steps of the L2 norm of the gradient, before clipping.")
    seconds: list[float]
