"""Optimizers, one kind a file."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from core.optimizer import Optimizer
from core.registry import kinds

OPTIMIZERS = kinds(__name__, Optimizer, "kind")

if TYPE_CHECKING:
    AnyOptimizer = Optimizer
else:
    AnyOptimizer = Annotated[Union[tuple(OPTIMIZERS.values())], Field(discriminator="kind")]  # noqa: UP007 - built from the folder
