"""Points and directions among the parameters of a network, as they come with a request: by node and parameter."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from core.arrays import Array, Tensor
from core.errors import Invalid, Problem, pointer
from core.graph.graph import Graph
from core.op import Name

GivenParameters = Annotated[dict[Name, Annotated[dict[Name, Tensor], Field(max_length=100)]], Field(max_length=10_000)]


def flat_parameters(graph: Graph, base: Array, given: Mapping[str, Mapping[str, Array]], place: str) -> Array:
    """A copy of the vector `base` with all parameters replaced by those given. Raises Invalid below `place`."""
    flat = base.copy()
    views = graph.views(flat)
    problems = [
        Problem(place + pointer(node, name), "the network has no parameter of this name")
        for node, tensors in given.items()
        for name in tensors
        if name not in views.get(node, {})
    ]
    for piece in graph.layout:
        tensor = given.get(piece.node, {}).get(piece.name)
        at = place + pointer(piece.node, piece.name)
        if tensor is None:
            problems.append(Problem(at, "is missing"))
        elif tensor.shape != piece.shape:
            problems.append(Problem(at, f"must have shape {list(piece.shape)}, not {list(tensor.shape)}"))
        else:
            views[piece.node][piece.name][...] = tensor
    if problems:
        raise Invalid(problems[:100])
    return flat
