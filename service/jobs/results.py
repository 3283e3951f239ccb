"""What jobs find that make no model."""

from typing import Literal

from pydantic import Field, TypeAdapter

from core.training.range_test import RangeResult
from service.kit.http.schemas import StrictModel
from service.kit.http.strict_json import Json
from service.kit.provenance import Provenance


class AnswerResult(StrictModel):
    """A question is answered."""

    question: str
    answer: str = Field(examples=["/v1/jobs/job_01jd0x9q0v5a3n8k5d9gq2h7rm/answer"], description="Where it stands.")
    bytes: int = Field(description="Its length.")


class Compared(StrictModel):
    """What was held against each other, bit for bit."""

    what: Literal["curves", "checkpoints"]
    epochs: list[int] = Field(description="The first and the last; empty if there was none.")
    count: int


class FirstDifference(StrictModel):
    """Where a run first came to something else. Measures differ at once, tensors are known where a checkpoint is."""

    epoch: int
    measure: str | None = Field(examples=["validation.loss"], description="A measure of the epoch that differs.")
    stored: float | None = Field(description="Its value then; null also where it was not finite.")
    replayed: float | None = Field(description="Its value now.")
    checkpoint: int | None = Field(description="Epoch of the first checkpoint that differs.")
    part: Literal["weights", "memory"] | None
    node: str | None = Field(description="null for what belongs to no node, such as the state of early stopping.")
    tensor: str | None = Field(examples=["W"])
    ulps: int | None = Field(
        description="The largest distance of two entries of the tensor, in units of the last place of its precision; "
        "null where there is none to tell."
    )
    differing: int | None = Field(description="Entries of the tensor that differ.")
    entries: int | None = Field(description="Entries of the tensor.")


class Provenances(StrictModel):
    """What has computed, then and now."""

    stored: list[Provenance]
    replayed: list[Provenance]
    differs: list[str] = Field(examples=[["blas.kernel"]], description="What is not the same of both.")


class ReplayResult(StrictModel):
    """A run was computed once more and compared with what was stored of it."""

    equal: bool
    epochs: list[int] = Field(description="The first and the last epoch that were compared.")
    started_from: int = Field(description="The checkpoint that the replay began with.")
    compared: list[Compared]
    difference: FirstDifference | None
    provenance: Provenances
    explanation: str


JobResult = RangeResult | AnswerResult | ReplayResult
"""Of a range test, of a question, or of a replay."""

_results: TypeAdapter[JobResult] = TypeAdapter(JobResult)


def job_result(fields: dict[str, Json] | None) -> JobResult | None:
    """The result as it stands in the job's row."""
    return None if fields is None else _results.validate_python(fields)
