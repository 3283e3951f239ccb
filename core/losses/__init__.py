"""Losses, one kind a file."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from core.loss import Loss
from core.registry import kinds

LOSSES = kinds(__name__, Loss, "kind")

if TYPE_CHECKING:
    AnyLoss = Loss
else:
    AnyLoss = Annotated[Union[tuple(LOSSES.values())], Field(discriminator="kind")]  # noqa: UP007 - built from the folder
