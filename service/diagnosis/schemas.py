"""What the diagnosis route answers, and what its events say."""

from pydantic import Field

from core.diagnosis.verdict import Verdict
from service.kit.clock import Time
from service.kit.http.schemas import StrictModel


class Diagnosis(StrictModel):
    """All that the rules say of a run up to an epoch, the worst first."""

    verdicts: list[Verdict] = Field(description="At most one of each code; none of a run with nothing to remark.")
    healthy: bool = Field(description="Whether no verdict is critical or a warning; information is no complaint.")
    epoch: int = Field(description="The last whole epoch that was judged; 0 is before training.")
    chance: float | None = Field(
        description="Loss of the best prediction that is the same for every row of the training split: for classes "
        "their entropy in nats, for squared errors the variance. Null where a loss has none to compare with."
    )


class Change(StrictModel):
    """A verdict that has appeared, become better or worse, or ended; null is none."""

    code: str
    was: str | None = Field(description="Its severity before.")
    becomes: str | None = Field(description="Its severity from now on.")


class DiagnosisTold(Diagnosis):
    """What an event of the kind `diagnosis` says: the state after an epoch in which it changed."""

    changes: list[Change]
    at: Time | None = Field(default=None, description="When it was written.")
