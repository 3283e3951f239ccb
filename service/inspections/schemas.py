"""The questions as a list."""

from typing import Any

from pydantic import Field

from service.kit.http.schemas import StrictModel


class QuestionView(StrictModel):
    """One question that can be asked."""

    question: str
    sentence: str = Field(description="What is asked.")
    path: str = Field(description="Where to post the request.")
    request: dict[str, Any] = Field(description="JSON Schema of the request.")
    answer: dict[str, Any] = Field(description="JSON Schema of the answer.")
    example: dict[str, Any] = Field(
        description="A request that can be sent as it is, where a model that it names is there."
    )
    media_types: list[str] = Field(
        description="What can be answered, as the Accept header asks: an answer with arrays also as NPZ."
    )


class Questions(StrictModel):
    """All questions."""

    data: list[QuestionView]
