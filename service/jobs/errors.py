"""What can be wrong with a request about a job."""

from service.kit.http.problems import Conflict, NotFound


class JobNotFound(NotFound):
    """There is no job with this id."""


class JobIsOver(Conflict):
    """The job has already ended, so it can no longer be paused, resumed or cancelled."""


class JobIsNotOver(Conflict):
    """The job has not ended, so it cannot be deleted; cancel it first."""


class JobIsCancelling(Conflict):
    """The job is being cancelled, so it can be neither paused nor resumed."""


class JobIsPausing(Conflict):
    """The job has not stopped yet for the pause that was asked for; resume it once its state is paused."""


class JobDoesNotTrain(Conflict):
    """Only a job that trains has what this asks for."""
