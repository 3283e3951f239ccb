"""Initializers, one a file; a plain name stands for the kind with its defaults."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import BeforeValidator, Field

from core.initializer import Initializer
from core.registry import kinds

INITIALIZERS = kinds(__name__, Initializer, "kind")

_kind_by_name = {name: kind for kind, rule in INITIALIZERS.items() for name in (kind, *rule.aliases)}


def _spell_out(value: object) -> object:
    """`"xavier_uniform"` and `{"kind": "xavier_uniform"}` both become `{"kind": "glorot_uniform"}`."""
    if isinstance(value, str):
        return {"kind": _kind_by_name.get(value, value)}
    if isinstance(value, dict) and isinstance(value.get("kind"), str):
        return {**value, "kind": _kind_by_name.get(value["kind"], value["kind"])}
    return value


if TYPE_CHECKING:
    AnyInitializer = Initializer
else:
    _OneKind = Annotated[Union[tuple(INITIALIZERS.values())], Field(discriminator="kind")]  # noqa: UP007 - built from the folder
    AnyInitializer = Annotated[_OneKind, BeforeValidator(_spell_out, json_schema_input_type=_OneKind | str)]
