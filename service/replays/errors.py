"""What can be wrong with a request to replay a job."""

from service.kit.http.problems import Conflict


class JobIsStillRunning(Conflict):
    """A job can be replayed when it is over or paused; wait for it, or pause it."""


class NothingToReplay(Conflict):
    """The job has not finished an epoch, so there is nothing to compare with."""


class DataSetGone(Conflict):
    """The data set that the job has learned from is deleted, so that it cannot be trained once more."""
