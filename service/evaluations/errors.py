"""What can stand in the way of an evaluation."""

from service.kit.http.problems import Conflict


class DatasetGone(Conflict):
    """The data set that the model was trained on has been deleted; name another in `dataset`."""
