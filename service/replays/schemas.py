"""What is asked of the replay route."""

from typing import Annotated

from pydantic import Field

from core.arrays import Model

Epoch = Annotated[int, Field(ge=1, le=1_000_000)]


class ReplayRequest(Model):
    """How much of a job to compute once more."""

    epochs: Annotated[list[Epoch], Field(min_length=2, max_length=2, examples=[[1, 12]])] | None = None
    """The first and the last epoch to compare; left out, all. The replay begins with the last checkpoint that is kept
    before the first of them."""


class ReplaySpec(Model):
    """A replay with nothing left open."""

    job: str
    """The job that is replayed."""

    epochs: Annotated[list[int], Field(min_length=2, max_length=2)]
    started_from: int
    """The checkpoint that the replay begins with."""

    @property
    def first(self) -> int:
        return self.epochs[0]

    @property
    def last(self) -> int:
        return self.epochs[1]
