"""The optimizer's own rate, or a share of it for a while."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from core.schedule import Schedule


class Constant(Schedule):
    """rate · factor while epoch < total_epochs, then rate; by default simply the rate."""

    kind: Literal["constant"] = "constant"

    factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    total_epochs: Annotated[
        int, Field(ge=0, le=1_000_000, validation_alias=AliasChoices("total_epochs", "total_iters"))
    ] = 0

    def learning_rate(self, base: float, epoch: int) -> float:
        return base * self.factor if epoch < self.total_epochs else base
