"""What can be wrong with a request to inspect."""

from service.kit.http.problems import NotAcceptable, NotFound


class QuestionNotFound(NotFound):
    """There is no question of this name; GET /v1/inspect lists all there are."""


class NoArrays(NotAcceptable):
    """The answer to this question holds no arrays that a file could be made of; it is given as application/json."""


class AnswerNotFound(NotFound):
    """The job has no answer. Jobs of the kind inspect have one as soon as they have succeeded."""
