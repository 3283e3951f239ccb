"""What can be wrong with a request about data sets."""

from service.kit.http.problems import Conflict, NotFound


class DatasetNotFound(NotFound):
    """There is no data set with this id."""


class DatasetInUse(Conflict):
    """Something that is not over still needs this data set; wait until it is, or cancel it."""
