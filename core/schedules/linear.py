"""The rate moves in a straight line from one share of itself to another."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from core.schedule import Epochs, Schedule


class LinearRamp(Schedule):
    """rate · (start + (end − start) · min(epoch, total_epochs) / total_epochs)."""

    kind: Literal["linear"] = "linear"

    start_factor: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    end_factor: Annotated[float, Field(ge=0, le=1)] = 1.0
    total_epochs: Annotated[Epochs, Field(validation_alias=AliasChoices("total_epochs", "total_iters"))] = 5
    """When the end is reached; the rate stays there."""

    def learning_rate(self, base: float, epoch: int) -> float:
        fraction = min(epoch / self.total_epochs, 1.0)
        return base * (self.start_factor + (self.end_factor - self.start_factor) * fraction)
