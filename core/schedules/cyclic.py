"""The rate swings between two values in a triangular wave."""

from typing import Annotated, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from core.schedule import Epochs, Schedule


class Cyclic(Schedule):
    """A straight line up to maximum_learning_rate and another down again, over and over.

    `triangular2` halves the height of each wave.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks".
    """

    kind: Literal["cyclic"] = "cyclic"

    maximum_learning_rate: Annotated[
        float, Field(gt=0, validation_alias=AliasChoices("maximum_learning_rate", "max_lr"))
    ]

    minimum_learning_rate: Annotated[
        float | None, Field(ge=0, validation_alias=AliasChoices("minimum_learning_rate", "base_lr"))
    ] = None
    """Where each wave starts and ends; the optimizer's own rate when left out, and instead of it when given."""

    step_size_up: Epochs = 10
    """Epochs of each rise."""

    step_size_down: Epochs | None = None
    """Epochs of each fall; as many as of the rise when left out."""

    mode: Literal["triangular", "triangular2"] = "triangular"

    @model_validator(mode="after")
    def _swings_upward(self) -> Self:
        if self.minimum_learning_rate is not None and self.minimum_learning_rate >= self.maximum_learning_rate:
            raise ValueError("minimum_learning_rate must be below maximum_learning_rate")
        return self

    def learning_rate(self, base: float, epoch: int) -> float:
        low = base if self.minimum_learning_rate is None else self.minimum_learning_rate
        up, down = self.step_size_up, self.step_size_down or self.step_size_up
        wave, place = divmod(epoch, up + down)
        height = place / up if place <= up else (up + down - place) / down
        if self.mode == "triangular2":
            height *= 0.5 ** min(wave, 1000)
        return low + (self.maximum_learning_rate - low) * height
