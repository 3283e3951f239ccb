"""What the checkpoints route answers."""

from pydantic import Field

from service.kit.clock import Time
from service.kit.http.schemas import StrictModel


class CheckpointView(StrictModel):
    """The state of a run after one epoch; as a model it is called by its reference."""

    reference: str = Field(examples=["job_01jd0x9q0v5a3n8k5d9gq2h7rm@12"], description="Its name as a model.")
    epoch: int = Field(description="0 is the state before training.")
    step: int
    is_best: bool = Field(description="The watched value has been best after this epoch.")
    is_last: bool
    weights_sha256: str
    weights_bytes: int
    memory_sha256: str = Field(description="Of the optimizer's memory and the state of early stopping.")
    memory_bytes: int
    created_at: Time


class Checkpoints(StrictModel):
    """The checkpoints of a job that are kept, in the order of their epochs."""

    data: list[CheckpointView]
