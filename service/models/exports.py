"""Models as files: their weights alone, or their network with the weights in it."""

import io
from typing import Literal

import numpy as np

from core.graph.written import network_json, written_out
from core.network import Network
from core.weights import named_tensors, weights_to_bytes
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
    """The network with its learned values as explicit `params`, and what its nodes remember as explicit `state`.

    It can be posted wherever a network goes.
    """
    network, values = written_out(model.graph), model.parameters.astype(np.float64)
    params, states = model.graph.views(values), model.graph.states(values)
    nodes = [
        node.model_copy(update={"params": params.get(name), "state": states.get(name), "init": None})
        for node, name in ((node, str(node.id)) for node in network.nodes or ())
    ]
    return network.model_copy(update={"nodes": nodes})


def _npz(model: LoadedModel) -> bytes:
    content = io.BytesIO()
    # The members carry no time of day, so that the bytes depend on the tensors alone.
    np.savez(content, allow_pickle=False, **named_tensors(model.graph, model.parameters))
    return content.getvalue()
