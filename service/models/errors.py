"""What can be wrong with a request about a model."""

from service.kit.http.problems import InvalidRequest, NotFound


class ModelNotFound(NotFound):
    """There is no model of this reference; GET /v1/models lists the models, and a job lists its checkpoints."""


class UnknownFormat(InvalidRequest):
    """Models are not exported in this format."""
