"""What can be wrong with a request about a checkpoint."""

from service.kit.http.problems import NotFound


class CheckpointNotFound(NotFound):
    """The job has no checkpoint of this epoch; the list of its checkpoints names those that are kept."""
