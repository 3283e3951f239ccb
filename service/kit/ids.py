"""Ids: a prefix that says of what, and 26 lower-case characters that sort by time of birth.

A feature declares its own kind of id, as a distinct type, and the path parameter that reads one:

    JobId = NewType("JobId", str)
    JOB_IDS = IdKind("job", JobId)
    JobIdPath = Annotated[JobId, JOB_IDS.path("The job.")]

    JOB_IDS.new()                  # JobId("job_01jd0x9q0v5a3n8k5d9gq2h7rm")
    JOB_IDS.parse("job_1")         # None: not an id
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

from fastapi import Path
from ulid import LaxMonotonicPolicy, ULIDGenerator

Id = TypeVar("Id", bound=str)

# Crockford's alphabet without i, l, o, u; the first digit ends at 7 because 26 characters hold 130 bits and an id 128.
_BODY = "[0-7][0-9a-hjkmnp-tv-z]{25}"

_generator = ULIDGenerator(policy=LaxMonotonicPolicy())
_generating = Lock()


def _body() -> str:
    # The policy keeps the last id it gave, so that two of the same millisecond still sort in order; it is not locked.
    with _generating:
        return str(_generator.generate()).lower()


@dataclass(frozen=True)
class IdKind(Generic[Id]):
    """One kind of id: how to make one, and how to tell one from any other text."""

    prefix: str
    type: Callable[[str], Id]

    @property
    def pattern(self) -> str:
        """The regular expression that exactly the ids of this kind match."""
        return f"^{self.prefix}_{_BODY}$"

    def new(self) -> Id:
        """An id that sorts after every id this process made before."""
        return self.type(f"{self.prefix}_{_body()}")

    def parse(self, text: str) -> Id | None:
        """The id that this text is, or None."""
        # ASCII, because `\d` and lower() take the digits of every script; fullmatch, because `$` allows a last newline.
        return self.type(text) if re.fullmatch(self.pattern, text, re.ASCII) else None

    def path(self, description: str) -> Any:
        """The path parameter that takes only such ids; anything else in its place is answered 404."""
        return Path(
            description=description, pattern=self.pattern, examples=[f"{self.prefix}_01jd0x9q0v5a3n8k5d9gq2h7rm"]
        )
