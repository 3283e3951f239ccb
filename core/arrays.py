"""Arrays as the core passes them around, and how they come from and go to JSON."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema

type_of_precision: dict[str, np.dtype[Any]] = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}

# The element type is part of a plan, not of a signature: the same kernel runs in float32, float64 and complex128.
Array = NDArray[Any]
Shape = tuple[int, ...]

Call = Callable[[], object]
"""One bound step of a plan: arguments and output are fixed, so calling it takes nothing and allocates nothing."""

call = partial
"""`call(np.add, a, b, out)`: positional `out` is twice as fast as the keyword (0.20 against 0.40 µs at 16 × 32)."""


class Model(BaseModel):
    """A record of the network language: unknown fields, coercion and non-finite numbers are refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        arbitrary_types_allowed=True,
        populate_by_name=True,
    )


def parse_tensor(value: object) -> Array:
    """The float64 array that nested lists of numbers stand for; an array passes through.

    Raises ValueError for anything but a rectangle of finite numbers: text, true and null are not numbers.
    """
    if isinstance(value, np.ndarray):
        array = value
    else:
        _refuse_other_than_numbers(value)
        try:
            array = np.array(value, dtype=np.float64)
        except (ValueError, OverflowError) as error:
            raise ValueError("must be a rectangle of numbers: every row as long as the first") from error
    if not np.isfinite(array).all():
        raise ValueError("every number must be finite")
    return array


def _refuse_other_than_numbers(value: object) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            if not all(type(entry) is float or type(entry) is int for entry in item):
                pending.extend(item)
        elif isinstance(item, bool) or not isinstance(item, int | float):
            raise ValueError(f"must hold numbers only, not {type(item).__name__}")


Tensor = Annotated[
    Array,
    PlainValidator(parse_tensor),
    PlainSerializer(lambda array: array.tolist(), return_type=list),
    WithJsonSchema({"description": "nested lists of finite numbers", "type": ["array", "number"]}),
]


def batch_last(array: Array) -> Array:
    """The view (…, n) of an array (n, …): as the core computes, examples side by side, one row a feature."""
    return np.moveaxis(array, 0, -1)


def batch_first(array: Array) -> Array:
    """The view (n, …) of an array (…, n): as people and files have it, one row an example."""
    return np.moveaxis(array, -1, 0)


def at_least_double(dtype: DTypeLike) -> np.dtype[Any]:
    """The type sums are kept in: float64 for both precisions, complex128 under the complex step."""
    return np.result_type(dtype, np.float64)


def size_of(shape: Sequence[int]) -> int:
    """How many entries an array of this shape has, in Python's unbounded integers."""
    size = 1
    for axis in shape:
        size *= axis
    return size
