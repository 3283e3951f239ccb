"""Ops, one kind of node a file."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from core.op import Op
from core.registry import kinds

OPS = kinds(__name__, Op, "op")

if TYPE_CHECKING:
    AnyOp = Op
else:
    AnyOp = Annotated[Union[tuple(OPS.values())], Field(discriminator="op")]  # noqa: UP007 - built from the folder
