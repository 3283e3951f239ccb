"""What the early-stopping route answers."""

from typing import Literal

from pydantic import Field

from core.monitor import Monitor
from service.kit.http.schemas import StrictModel


class StoppingChoice(StrictModel):
    """What one patience would have chosen. Epochs count from 1."""

    patience: int
    stop_epoch: int | None = Field(description="The last epoch of the run; null if the stored curve ends before.")
    best_epoch: int | None
    best_value: float | None
    reason: Literal["patience", "non_finite", "max_epochs"] | None
    is_known: bool = Field(description="Whether the stored curve is long enough to know; if not, this is so far.")


class EarlyStoppingAnswer(StrictModel):
    """What early stopping would have chosen on the stored curve."""

    monitor: Monitor
    min_delta: float
    start_from_epoch: int
    epochs: int = Field(description="Epochs of the stored curve.")
    choice: StoppingChoice | None = Field(description="For the patience that was asked for.")
    table: list[StoppingChoice] | None = Field(description="Without one, for each from 1 on, at most 1,000.")
