"""What a column may be called, and what may stand in a category."""

from collections.abc import Iterable, Sequence

from core.errors import Problem

MOST_COLUMNS = 4096
LONGEST_NAME = 200
LONGEST_CATEGORY = 10_000

_SHOWN_CHARACTERS = 60


def name_problems(names: Sequence[str], place: str) -> list[Problem]:
    """What is wrong with the names of a table's columns; `place` is the pointer of the list or header they stand in."""
    if not names:
        return [Problem(place, "needs at least one column")]
    if len(names) > MOST_COLUMNS:
        return [Problem(place, f"has {len(names)} columns; at most {MOST_COLUMNS} are taken")]
    problems = [
        Problem(place, f"column {position + 1} {fault}", got=shorten(name))
        for position, name in enumerate(names)
        if (fault := _fault(name))
    ]
    seen: dict[str, int] = {}
    for position, name in enumerate(names):
        if name in seen:
            detail = f"columns {seen[name] + 1} and {position + 1} have the same name"
            problems.append(Problem(place, detail, got=shorten(name)))
        seen.setdefault(name, position)
    return problems


def _fault(name: str) -> str | None:
    if not name.strip():
        return "has no name"
    if len(name) > LONGEST_NAME:
        return f"has a name of {len(name)} characters; at most {LONGEST_NAME} are taken"
    if not name.isprintable():
        return "has a name with characters that cannot be printed"
    return None


def text_fault(texts: Iterable[str]) -> str | None:
    """Why one of these texts cannot be a category, or None when all of them can."""
    for text in texts:
        if len(text) > LONGEST_CATEGORY:
            return f"a text of {len(text)} characters; at most {LONGEST_CATEGORY} are taken"
        if "\0" in text:
            return "a text with the character NUL"
        # encode() is the test that a text is Unicode: half of a surrogate pair is not.
        if not text.isascii() and text != text.encode("utf-8", "replace").decode("utf-8"):
            return "a text with half of a surrogate pair"
    return None


def shorten(text: str, longest: int = _SHOWN_CHARACTERS) -> str:
    """The text, cut off where it is too long to repeat in an answer."""
    return text if len(text) <= longest else text[:longest] + "…"
