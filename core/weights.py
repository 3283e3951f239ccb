"""Parameters to bytes and back: safetensors, never pickle; equal parameters give equal bytes."""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike
from safetensors import SafetensorError
from safetensors.numpy import load, save

from core.arrays import Array
from core.errors import Invalid, Problem
from core.graph.graph import Graph


def weights_to_bytes(graph: Graph, flat: Array) -> bytes:
    """The tensors of a flat vector, named `node.param` or `node.state`, in the vector's own type."""
    return save(named_tensors(graph, flat))


def named_tensors(graph: Graph, flat: Array) -> dict[str, Array]:
    """Views of every parameter and state tensor by `node.name`."""
    return {
        f"{piece.node}.{piece.name}": flat[piece.start : piece.stop].reshape(piece.shape)
        for piece in (*graph.layout, *graph.state_layout)
    }


def weights_from_bytes(graph: Graph, content: bytes, dtype: DTypeLike) -> Array:
    """The flat vector of these tensors.

    Raises Invalid when the bytes are no safetensors, or hold other tensors or shapes than the graph.
    """
    tensors = read_tensors(content)
    flat = np.empty(graph.size, dtype)
    problems = []
    for piece in (*graph.layout, *graph.state_layout):
        name = f"{piece.node}.{piece.name}"
        tensor = tensors.pop(name, None)
        if tensor is None:
            problems.append(Problem("", f"the weights lack {name}"))
        elif tensor.shape != piece.shape:
            problems.append(Problem("", f"{name} must have shape {list(piece.shape)}", got=list(tensor.shape)))
        else:
            flat[piece.start : piece.stop] = tensor.reshape(-1)
    problems += [Problem("", f"the network has no parameter {name}") for name in tensors]
    if problems:
        raise Invalid(problems)
    return flat


def read_tensors(content: bytes) -> dict[str, Array]:
    """Named arrays. Raises Invalid when the bytes are no safetensors."""
    try:
        return load(content)
    except SafetensorError as error:
        raise Invalid([Problem("", f"these bytes are no safetensors: {error}")]) from error


def write_tensors(tensors: Mapping[str, Array]) -> bytes:
    """Named arrays as safetensors; without metadata, whose entries the library writes in random order."""
    return save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal: the name of a content."""
    return hashlib.sha256(content).hexdigest()
