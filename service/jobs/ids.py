"""Ids of jobs."""

from typing import Annotated, NewType

from service.kit.ids import IdKind

JobId = NewType("JobId", str)
JOB_IDS = IdKind("job", JobId)
JobIdPath = Annotated[JobId, JOB_IDS.path("The job.")]
