"""Models as files: their weights alone, or their network with the weights in it."""

import io
from typing import Literal

import numpy as np

from core.graph.written import network_json, written_out
from core.network import Network
from core.weights import weights_to_bytes
from service.kit.database.columns import json_text
from service.models.loading import LoadedModel

Format = Literal["safetensors", "npz", "json"]

MEDIA_TYPES: dict[Format, str] = {
    "safetensors": "application/vnd.safetensors",
    "npz": "application/x-npz",
    "json": "application/json",
}


def export(model: LoadedModel, form: Format) -> bytes:
    """The file of a model; equal models give equal bytes."""
    match form:
        case "safetensors":
            return weights_to_bytes(model.graph, model.parameters)
        case "npz":
            return _npz(model)
        case "json":
            return json_text(network_json(with_parameters(model))).encode()


def with_parameters(model: LoadedModel) -> Network:
    """The network with its learned values as explicit `params`: it can be posted wherever a network goes."""
    network = written_out(model.graph)
    views = model.graph.views(model.parameters.astype(np.float64))
    nodes = [
        node.model_copy(update={"params": views[str(node.id)], "init": None}) if node.id in views else node
        for node in network.nodes or ()
    ]
    return network.model_copy(update={"nodes": nodes})


def _npz(model: LoadedModel) -> bytes:
    views = model.graph.views(model.parameters)
    tensors = {f"{node}.{name}": view for node, params in views.items() for name, view in params.items()}
    content = io.BytesIO()
    # The members carry no time of day, so that the bytes depend on the tensors alone.
    np.savez(content, allow_pickle=False, **tensors)
    return content.getvalue()
