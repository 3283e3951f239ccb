"""The rate rises in a straight line, then falls with the root of the epochs."""

import math
from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from core.schedule import Epochs, Schedule


class InverseSqrtWarmup(Schedule):
    """rate · min((epoch + 1) / warmup_epochs, √(warmup_epochs / (epoch + 1))).

    Source: Vaswani et al. 2017, "Attention Is All You Need", eq. 3, scaled so that its peak is the rate.
    """

    kind: Literal["inverse_sqrt_warmup"] = "inverse_sqrt_warmup"

    warmup_epochs: Annotated[Epochs, Field(validation_alias=AliasChoices("warmup_epochs", "warmup"))]
    """The full rate is reached in the last of these epochs."""

    def learning_rate(self, base: float, epoch: int) -> float:
        return base * min((epoch + 1) / self.warmup_epochs, math.sqrt(self.warmup_epochs / (epoch + 1)))
