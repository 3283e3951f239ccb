"""What can be wrong with what a caller asks of the core, all of it at once.

CoreError
└── Invalid        one or more Problems, each with a JSON Pointer to the place
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands, what is wrong, and, when known, what would have been right."""

    pointer: str
    """JSON Pointer (RFC 6901) into the object that was checked; empty for the object itself."""

    detail: str
    allowed: Sequence[object] | None = None
    got: object | None = None

    def below(self, prefix: str) -> "Problem":
        """The same mistake seen from an object that holds the checked one at `prefix`."""
        return replace(self, pointer=prefix + self.pointer)


class CoreError(Exception):
    """Something the core was asked for cannot be done."""


class Invalid(CoreError):
    """The description has mistakes; `problems` names every one of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.pointer or '/'}: {problem.detail}" for problem in self.problems))


def pointer(*steps: str | int) -> str:
    """The JSON Pointer made of these steps, escaped as RFC 6901 asks: `pointer("a/b", 0)` is `/a~1b/0`."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
