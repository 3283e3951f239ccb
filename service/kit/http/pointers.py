"""From pydantic's errors to mistakes with JSON Pointers into the body that was really sent.

pydantic's `loc` names more than the way through the body: the tag of the union member it chose, and labels of
validators. Those steps are told apart by walking the body itself.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.errors import Problem, pointer
from service.kit.http.strict_json import Json

Step = str | int

TAGS = ("op", "kind", "type")
"""The members that say which member of a union an object is."""

_TOLD_BY_STEP = frozenset({"missing", "extra_forbidden", "missing_argument", "unexpected_keyword_argument"})
_MOST_FIELDS = 100
# 300 kB of empty objects have 100,000 mistakes, of which nobody is told more than the first hundred.
_MOST_LOOKED_AT = 300


def mistakes_of(error: ValidationError, body: Json, schema: dict[str, Any] | None = None) -> list[Problem]:
    """Every mistake that pydantic found, once, with its place in `body`.

    With the JSON Schema of the model, an unknown member is answered by the members there are. Of very many mistakes
    only the first hundreds are looked at.
    """
    mistakes: dict[tuple[str, str], Problem] = {}
    for details in islice(error.errors(include_url=False), _MOST_LOOKED_AT):
        problem = _mistake(details, body, schema)
        mistakes.setdefault((problem.pointer, problem.detail), problem)
    return list(mistakes.values())


def _mistake(details: ErrorDetails, body: Json, schema: dict[str, Any] | None) -> Problem:
    kind = details["type"]
    steps = steps_through(body, details["loc"], last_is_name=kind in _TOLD_BY_STEP)
    context = details.get("ctx", {})
    at = pointer(*steps)
    match kind:
        case "missing":
            return Problem(at, "This member is required.")
        case "extra_forbidden":
            return Problem(at, "There is no member of this name here.", allowed=_members(schema, body, steps[:-1]))
        case "union_tag_invalid" | "union_tag_not_found":
            tag = str(context.get("discriminator", "")).strip("'")
            names = _names(context["expected_tags"]) if "expected_tags" in context else None
            sent = details["input"].get(tag) if isinstance(details["input"], dict) else None
            detail = f"There is no {tag} of this name." if sent is not None else f"The member {tag!r} is required."
            return Problem(at + pointer(tag), detail, allowed=names, got=sent)
        case "literal_error" | "enum":
            return Problem(at, details["msg"], allowed=_names(str(context.get("expected", ""))), got=details["input"])
        case _:
            return Problem(at, _sentence(details["msg"]), got=_scalar(details["input"]))


def steps_through(body: Json, loc: Sequence[Step], *, last_is_name: bool) -> list[Step]:
    """The steps of `loc` that are steps through the body; the others are tags and labels."""
    steps: list[Step] = []
    value: object = body
    tagged: object = None
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        # The body itself is never one of a union: its tag may be called as one of its members.
        is_whole = value is tagged or value is body
        if isinstance(value, dict) and not is_whole and step in _tags_of(value) and not (last and last_is_name):
            # One tag an object: after it, the same word is a member that happens to be called so.
            tagged = value
        elif _leads_on(value, step):
            steps.append(step)
            value = value[step]  # type: ignore[index]  # it leads on
        elif last and last_is_name:
            steps.append(step)
    return steps


def _leads_on(value: object, step: Step) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _tags_of(value: dict[str, object]) -> list[object]:
    return [value.get(tag) for tag in TAGS]


def _names(expected: str) -> list[object] | None:
    """The names in pydantic's list: `'a', 'b' or 'c'`."""
    names: list[object] = [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]
    return names if expected else None


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _scalar(value: object) -> object | None:
    return value if isinstance(value, str | int | float | bool) else None


def _members(schema: dict[str, Any] | None, body: Json, steps: Sequence[Step]) -> list[object] | None:
    """The members that an object at this place may have, from the JSON Schema of the whole body."""
    if schema is None:
        return None
    value: object = body
    places = _alternatives(schema, [schema], value)
    for step in steps:
        if not isinstance(value, dict | list):
            return None
        value = value[step]  # type: ignore[index]  # steps were made by walking this very body
        places = _alternatives(schema, [below for place in places for below in _below(place, step)], value)
    names = sorted({name for place in places for name in place.get("properties", {})})
    return list(names[:_MOST_FIELDS]) if names else None


def _below(place: dict[str, Any], step: Step) -> Iterable[dict[str, Any]]:
    if isinstance(step, int):
        candidates = [*place.get("prefixItems", [])[step : step + 1], place.get("items")]
    else:
        candidates = [place.get("properties", {}).get(step), place.get("additionalProperties")]
    return [candidate for candidate in candidates if isinstance(candidate, dict)]


def _alternatives(root: dict[str, Any], places: Sequence[dict[str, Any]], value: object) -> list[dict[str, Any]]:
    """The places with references followed and unions opened; a tag in the value chooses its member alone."""
    opened: list[dict[str, Any]] = []
    pending = list(places)
    seen: set[str] = set()
    while pending:
        place = pending.pop()
        reference = place.get("$ref")
        if isinstance(reference, str):
            if reference not in seen:
                seen.add(reference)
                pending.append(root.get("$defs", {}).get(reference.rsplit("/", 1)[-1], {}))
            continue
        choices = [*place.get("anyOf", []), *place.get("oneOf", []), *place.get("allOf", [])]
        pending.extend(_chosen(place, value) or choices)
        opened.append(place)
    return opened


def _chosen(place: dict[str, Any], value: object) -> list[dict[str, Any]]:
    discriminator = place.get("discriminator", {})
    mapping = discriminator.get("mapping", {})
    tag = value.get(discriminator.get("propertyName")) if isinstance(value, dict) else None
    return [{"$ref": mapping[tag]}] if isinstance(tag, str) and tag in mapping else []
