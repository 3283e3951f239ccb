"""What can be wrong with a request about a diagnosis."""

from service.kit.http.problems import Conflict


class NothingToDiagnose(Conflict):
    """Only a job that trains has a diagnosis; what a range test has found is its `result`."""
