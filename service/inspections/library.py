"""The models of the service, where the core's questions look for them."""

from fastapi import Request

from core.errors import Invalid, Problem
from core.inspect.question import Trained
from service.models.errors import ModelNotFound
from service.models.requests import load_model


class StoredModels:
    """Finds models by their references, each in a session of its own."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def model(self, reference: str) -> Trained:
        """The model that a reference names. Raises Invalid at `/subject/model`."""
        try:
            found = load_model(self._request, reference)
        except ModelNotFound as error:
            raise Invalid([Problem("/subject/model", error.detail, got=reference)]) from error
        return Trained(found.graph, found.parameters, found.preparation)
