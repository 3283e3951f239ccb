"""The rate falls by a factor at the epochs named."""

from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from core.schedule import Epochs, Gamma, Schedule


class MultiStepDecay(Schedule):
    """rate · gamma^(how many milestones ≤ epoch)."""

    kind: Literal["multi_step"] = "multi_step"

    milestones: Annotated[list[Epochs], Field(min_length=1, max_length=1000)]
    """Epochs, in rising order and counted from 0, from which on the rate is lower."""

    gamma: Gamma = 0.1

    @field_validator("milestones")
    @classmethod
    def _rise(cls, milestones: list[int]) -> list[int]:
        if any(later <= earlier for earlier, later in pairwise(milestones)):
            raise ValueError("milestones must rise, each above the one before")
        return milestones

    def learning_rate(self, base: float, epoch: int) -> float:
        return base * self.gamma ** bisect_right(self.milestones, epoch)
