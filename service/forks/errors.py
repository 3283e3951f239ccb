"""What can be wrong with a request about a fork."""

from service.kit.http.problems import NotFound


class ForkNotFound(NotFound):
    """The job has begun by itself; it is no fork of another one."""
