"""What a route needs that is about a model: the parameter that names it, and the model itself."""

import threading
from typing import Annotated

from fastapi import Path, Request

from service.kit.http.session import database_of
from service.models.loading import LoadedModel, ModelShelf
from service.models.references import LONGEST_REFERENCE

ModelPath = Annotated[
    str,
    Path(
        description="A model reference: `mdl_…`, `name`, `name@3`, `job_…@12`, `job_…@best` or `job_…@last`.",
        min_length=1,
        max_length=LONGEST_REFERENCE,
        examples=["penguins@3"],
    ),
]


_making = threading.Lock()


def shelf_of(request: Request) -> ModelShelf:
    """The shelf of the application that got this request."""
    state = request.app.state
    with _making:
        if not hasattr(state, "model_shelf"):
            state.model_shelf = ModelShelf()
    shelf = state.model_shelf
    assert isinstance(shelf, ModelShelf)
    return shelf


def load_model(request: Request, reference: str) -> LoadedModel:
    """The model that a reference names, in a short session of its own. Raises ModelNotFound."""
    with database_of(request).reading() as session:
        return shelf_of(request).get(session, reference)
