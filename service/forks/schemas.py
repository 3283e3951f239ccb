"""What is asked of the forks routes, and what they answer."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from core.arrays import Model
from core.experiment.spec import Target
from service.jobs.schemas import JobSpec, JobView
from service.kit.http.schemas import StrictModel


class JobChanges(JobSpec):
    """Members of a job request, each with its whole new value; those that are left out stay as they were."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"optimizer": {"kind": "adam", "learning_rate": 1e-4}}]})

    dataset: Annotated[str, Field(max_length=64)] = ""
    """Id of another data set."""

    target: Target = ""
    """Other columns to predict."""


class ForkRequest(Model):
    """Where to leave a run, and what to do otherwise from there."""

    epoch: Annotated[int, Field(ge=0, le=1_000_000)] | Literal["best", "last"]
    """The checkpoint to go on from; 0 is the state before training."""

    changes: JobChanges = JobChanges()
    """What differs; nothing gives the same bits again. `epochs` count from the very start."""


class Change(StrictModel):
    """A member of the job's description that is not what it was."""

    field: str
    before: Any = Field(description="null if it is long.")
    after: Any = Field(description="null if it is long.")


class ForkPart(StrictModel):
    """A part of the state of the run."""

    what: str = Field(examples=["optimizer"])
    reason: str


class ForkReport(StrictModel):
    """Where a job has begun, and with what."""

    model_config = ConfigDict(serialize_by_alias=True)

    origin: str = Field(alias="from", examples=["job_01jd0x9q0v5a3n8k5d9gq2h7rm@12"])
    changes: list[Change]
    kept: list[ForkPart] = Field(description="What goes on as it would have.")
    reset: list[ForkPart] = Field(description="What begins anew.")


class ForkedJob(JobView):
    """A job that goes on from a checkpoint of another one."""

    fork: ForkReport
