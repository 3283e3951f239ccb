"""The rate falls to 0 as a power of the epochs that are left."""

from typing import Annotated, Literal

from pydantic import Field

from core.schedule import Schedule, TotalEpochs, settled


class PolynomialDecay(Schedule):
    """rate · (1 − epoch / total_epochs)^power, and 0 from total_epochs on."""

    kind: Literal["polynomial"] = "polynomial"

    total_epochs: TotalEpochs = None
    """When 0 is reached; the end of the run when left out."""

    power: Annotated[float, Field(gt=0, le=100)] = 1.0
    """1 falls in a straight line."""

    def learning_rate(self, base: float, epoch: int) -> float:
        return float(base * (1.0 - min(epoch / settled(self.total_epochs), 1.0)) ** self.power)
