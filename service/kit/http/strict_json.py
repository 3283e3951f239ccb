"""JSON as RFC 8259 and both databases understand it, read with every mistake named by its place.

Refused, though Python would take it: NaN, Infinity and 1e999, integers beyond 64 bits, members given twice, more than
64 levels, NUL and half surrogate pairs in texts, and anything but UTF-8.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from core.errors import Problem, pointer
from service.kit.http.problems import InvalidRequest, TooLarge, Unreadable

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

DEEPEST = 64
MOST_VALUES = 1_000_000
"""Values in one body. Files may be larger: they are not read as one Python object."""

_MOST_MISTAKES = 100
_LEAST, _MOST = -(2**63), 2**63 - 1


class NotJson(Unreadable):
    """The body is not JSON."""


class TooManyValues(TooLarge):
    """The body holds more values than are read from JSON; send them as a file instead."""


class _Twice(dict[str, Json]):
    """An object that had the same member more than once."""

    twice: list[str]


def read_json(raw: bytes) -> tuple[str, Json]:
    """The body as text, without a byte order mark, and as values.

    Raises NotJson when it is not JSON at all, InvalidRequest when a value in it has no faithful form, TooManyValues.
    """
    text = _decoded(raw)
    try:
        value: Json = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise NotJson(f"The body is not JSON: {error.msg}, line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise NotJson(f"The body is nested deeper than {DEEPEST} levels.") from None
    mistakes = list(_mistakes(value))
    if mistakes:
        raise InvalidRequest(errors=mistakes)
    return text, value


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotJson(f"The body is not UTF-8: byte {error.start} cannot be read.") from None


def _integer(digits: str) -> int:
    # Python refuses to read more than 4300 digits; beyond 64 bits it does not matter which number it was.
    if len(digits) <= 20:
        return int(digits)
    return _LEAST - 1 if digits.startswith("-") else _MOST + 1


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    repeated = _Twice(members)
    repeated.twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    return repeated


def _mistakes(root: Json) -> Iterator[Problem]:
    """The first hundred values that are not what they seem; a loop, so that no nesting exhausts the stack."""
    pending: list[tuple[tuple[str | int, ...], Json]] = [((), root)]
    found = values = 0
    while pending and found < _MOST_MISTAKES:
        path, value = pending.pop()
        problem = _mistake(path, value)
        if problem is not None:
            found += 1
            yield problem
        if len(path) >= DEEPEST:
            continue
        values += len(value) if isinstance(value, dict | list) else 0
        if values > MOST_VALUES:
            raise TooManyValues(max_values=MOST_VALUES)
        match value:
            case dict():
                pending.extend(((*path, name), member) for name, member in reversed(value.items()))
            case list():
                pending.extend(((*path, index), item) for index, item in _worth_a_look(value))


def _worth_a_look(items: list[Json]) -> Iterator[tuple[int, Json]]:
    """The items that can be wrong, last first. Most bodies are numbers, and nearly all of those are right."""
    for index in range(len(items) - 1, -1, -1):
        item = items[index]
        if not (type(item) is float and math.isfinite(item)):
            yield index, item


def _mistake(path: tuple[str | int, ...], value: Json) -> Problem | None:
    match value:
        case bool() | None:
            return None
        case float() if not math.isfinite(value):
            return Problem(pointer(*path), "A number must be finite; NaN, Infinity and numbers beyond 1.8e308 are not.")
        case int() if not _LEAST <= value <= _MOST:
            return Problem(pointer(*path), "A whole number must fit into 64 bits.")
        case str() if not _is_faithful(value):
            return Problem(pointer(*path), "A text may hold neither NUL nor half of a surrogate pair.")
        case _Twice():
            return Problem(pointer(*path), f"The same member is given more than once: {', '.join(value.twice)}.")
        case dict() | list() if len(path) >= DEEPEST:
            return Problem(pointer(*path), f"This is nested deeper than {DEEPEST} levels.")
        case dict() if not all(map(_is_faithful, value)):
            return Problem(pointer(*path), "The name of a member may hold neither NUL nor half of a surrogate pair.")
        case _:
            return None


def _is_faithful(text: str) -> bool:
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
