"""The base of every request and answer, and the schema of a problem."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class StrictModel(BaseModel):
    """Unknown members are refused, numbers are finite, and nothing is converted: "1.5" and true are not numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ProblemError(BaseModel):
    """One mistake in a request."""

    pointer: str = Field(description="JSON Pointer into the body; `?name` for a parameter of the query.")
    detail: str = Field(description="What is wrong, and what would be right.")
    allowed: list[Any] | None = Field(default=None, description="What would have been accepted, when that is a list.")
    got: Any = Field(default=None, description="What was sent, shortened.")


class ProblemDocument(BaseModel):
    """Why a request was not answered as asked (RFC 9457)."""

    model_config = ConfigDict(title="Problem", extra="allow")

    type: str = Field(examples=["urn:backprop:problem:invalid_request"])
    title: str = Field(description="The kind of problem, in a sentence.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="This occurrence, in a sentence.")
    instance: str = Field(description="This occurrence, as an id that also stands in the server's log.")
    code: str = Field(description="Stable slug of the kind of problem; compare this one.")
    errors: list[ProblemError] | None = Field(default=None, description="All the mistakes of the request at once.")
    more_errors: bool = Field(default=False, description="There are still more mistakes than are named here.")
