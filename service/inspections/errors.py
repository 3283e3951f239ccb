"""What can be wrong with a request to inspect."""

from service.kit.http.problems import NotFound


class QuestionNotFound(NotFound):
    """There is no question of this name; GET /v1/inspect lists all there are."""
