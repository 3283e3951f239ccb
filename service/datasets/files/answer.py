"""What the process that reads a file answers: the mistakes it found, or the description of a table."""

from core.data.schema import ColumnProfile, GroupProfile, profile, profile_groups
from core.data.table import Table
from core.errors import Problem
from service.datasets.files.contents import Source
from service.kit.http.schemas import StrictModel


class Mistake(StrictModel):
    """A problem on its way between processes."""

    pointer: str
    detail: str
    got: str | int | float | bool | None = None
    allowed: list[str] | None = None

    @classmethod
    def of(cls, problem: Problem) -> "Mistake":
        """The problem, with what was got shown as text where it is neither text nor number."""
        got = problem.got if isinstance(problem.got, str | int | float | None) else str(problem.got)
        allowed = None if problem.allowed is None else [str(value) for value in problem.allowed]
        return cls(pointer=problem.pointer, detail=problem.detail, got=got, allowed=allowed)

    @property
    def problem(self) -> Problem:
        """The problem again."""
        allowed: list[object] | None = None if self.allowed is None else [*self.allowed]
        return Problem(self.pointer, self.detail, allowed=allowed, got=self.got)


class Description(StrictModel):
    """All that is known of a table beside its cells."""

    columns: list[ColumnProfile]
    groups: list[GroupProfile] = []
    source: Source

    @classmethod
    def of(cls, table: Table, source: Source) -> "Description":
        """What there is to say of a table from this source."""
        return cls(columns=profile(table), groups=profile_groups(table.groups), source=source)


class Answer(StrictModel):
    """Mistakes, or else the description of the table whose bytes follow."""

    mistakes: list[Mistake] = []
    description: Description | None = None
