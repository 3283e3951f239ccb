"""What jobs find that make no model."""

from pydantic import Field, TypeAdapter

from core.training.range_test import RangeResult
from service.kit.http.schemas import StrictModel
from service.kit.http.strict_json import Json


class AnswerResult(StrictModel):
    """A question is answered."""

    question: str
    answer: str = Field(examples=["/v1/jobs/job_01jd0x9q0v5a3n8k5d9gq2h7rm/answer"], description="Where it stands.")
    bytes: int = Field(description="Its length.")


JobResult = RangeResult | AnswerResult
"""Of a range test, or of a question."""

_results: TypeAdapter[JobResult] = TypeAdapter(JobResult)


def job_result(fields: dict[str, Json] | None) -> JobResult | None:
    """The result as it stands in the job's row."""
    return None if fields is None else _results.validate_python(fields)
