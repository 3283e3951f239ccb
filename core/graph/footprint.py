"""How much memory a plan takes, read off its calls: every array that any of them is bound to."""

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np

from core.arrays import Array, Call


def arrays_of(calls: Iterable[Call]) -> dict[int, Array]:
    """The arrays that own the memory of everything these calls read or write, by their identity."""
    owners: dict[int, Array] = {}
    for call in calls:
        for array in _bound(call):
            owner = _owner(array)
            owners[id(owner)] = owner
    return owners


def size_bytes(calls: Iterable[Call], known: Iterable[Array] = ()) -> int:
    """Bytes of all of them, without the memory of the arrays that are counted elsewhere."""
    owners = arrays_of(calls)
    for array in known:
        owners.pop(id(_owner(array)), None)
    return sum(owner.nbytes for owner in owners.values())


def _bound(call: Call) -> Iterator[Array]:
    if not isinstance(call, partial):
        call = partial(call)
    for candidate in (getattr(call.func, "__self__", None), *call.args, *call.keywords.values()):
        if isinstance(candidate, np.ndarray):
            yield candidate


def _owner(array: Array) -> Array:
    owner, base = array, array.base
    while base is not None:
        if isinstance(base, np.ndarray):
            owner = base
        # Behind a strided view stands a stand-in that itself has a base.
        base = getattr(base, "base", None)
    return owner
