"""What is asked of the jobs routes, and what they answer."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.config import JsonDict

from core.arrays import Model
from core.experiment import ExperimentSpec
from core.training.range_test import LearningRateRange
from service.jobs.results import JobResult
from service.jobs.states import ExperimentKind, JobKind, JobState, StopReason
from service.kit.clock import Time
from service.kit.http.schemas import ProblemError, StrictModel
from service.kit.http.strict_json import Json


def _has_characters(text: str) -> str:
    if not text.strip():
        raise ValueError("must hold more than white space")
    return text


LabelName = Annotated[str, Field(min_length=1, max_length=63)]
LabelValue = Annotated[str, Field(max_length=255)]


class CheckpointsSpec(Model):
    """Which checkpoints stay. The start, the best epoch and the last one always do."""

    every_epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Keep the states after every so many epochs."""

    keep: Annotated[int, Field(ge=1, le=1000)] = 10
    """How many of those, counted from the newest."""


class LimitsSpec(Model):
    """What a job may use up before it is ended; left out, what the server allows."""

    seconds: Annotated[float, Field(gt=0, le=10**9)] | None = None
    """Running time; time in the queue and in a pause does not count."""

    memory_mb: Annotated[int, Field(ge=16, le=2**31)] | None = None
    """Memory beyond that of an idle worker, in MiB."""


_EXAMPLE: JsonDict = {
    "dataset": "ds_01jd0x9q0v5a3n8k5d9gq2h7rm",
    "target": "species",
    "network": {"layers": [{"op": "dense", "units": 32}, {"op": "relu"}, {"op": "dense"}]},
    "optimizer": {"kind": "adam", "learning_rate": 0.003},
    "epochs": 50,
}


class JobSpec(ExperimentSpec):
    """A run: what is learned from which data set, how, and with which bounds.

    A job of the kind `learning_rate_range` trains nothing. It updates the same network by the same batches, optimizer
    and clipping while the rate grows in every update, and its `result` suggests a rate: where the loss fell most
    steeply. `epochs`, `schedule`, `early_stopping`, `statistics` and `checkpoints` are for jobs that train.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    kind: ExperimentKind = "training"
    """Whether to train a model, or to measure which learning rate suits it."""

    learning_rate_range: LearningRateRange | None = None
    """Rates and length of a job of that kind; left out, 100 updates from 1e-7 to 10."""

    dataset: Annotated[str, Field(max_length=64)]
    """Id of the data set."""

    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_has_characters)] | None = None
    """Name of the job, and of the model it makes; left out, that of the data set."""

    checkpoints: CheckpointsSpec = CheckpointsSpec()
    limits: LimitsSpec = LimitsSpec()
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    """Jobs of higher priority start first; of the same, the oldest."""

    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=64)] = {}
    """Words of your own."""

    def experiment_spec(self) -> ExperimentSpec:
        """The part that the core understands."""
        named = {name: getattr(self, name) for name in ExperimentSpec.model_fields}
        if self.kind == "learning_rate_range":
            named["learning_rate_range"] = self.learning_rate_range or LearningRateRange()
        return ExperimentSpec.model_construct(self.model_fields_set & named.keys(), **named)


class Progress(StrictModel):
    """How far a job has come; the points of a range test are counted as epochs."""

    epoch: int = Field(description="Epochs that are done, with their checkpoint stored.")
    epochs: int = Field(description="Epochs at most.")
    step: int = Field(description="Updates of the weights up to there.")
    fraction: float = Field(description="Share of the epochs that is done; 1 once the job has succeeded.")
    eta_seconds: float | None = Field(description="Running time left, if no early stopping comes first.")
    examples_per_second: float | None
    patience_left: int | None = Field(description="Epochs without improvement that early stopping still waits for.")
    best_epoch: int | None = Field(description="The epoch with the best watched value so far.")


class QueuePlace(StrictModel):
    """Where a job waits."""

    position: int = Field(description="1 is the next to start.")


class StateChange(StrictModel):
    """When a job entered a state, and why."""

    state: JobState
    at: Time
    reason: str | None


class JobError(StrictModel):
    """Why a job failed."""

    code: str = Field(description="Stable slug.")
    detail: str
    node: str | None = Field(default=None, description="First node of the network whose value overflowed.")
    step: int | None = None
    epoch: int | None = Field(default=None, description="The last whole epoch; its checkpoint is kept.")
    errors: list[ProblemError] | None = Field(
        default=None, description="The mistakes of a request that came to light only when the job ran."
    )


class JobView(StrictModel):
    """A job and where it stands."""

    id: str
    kind: JobKind
    name: str
    state: JobState
    terminal: bool = Field(description="Whether the job is over; then it never changes again.")
    stop_reason: StopReason | None
    progress: Progress
    queue: QueuePlace | None = Field(description="Null unless the job is queued.")
    attempt: int = Field(description="How often a worker has taken the job.")
    state_history: list[StateChange]
    error: JobError | None
    model: str | None = Field(description="Id of the model that the job has made.")
    result: JobResult | None = Field(description="What a job has found that makes no model; null for jobs that train.")
    dataset: str | None = Field(description="What it reads; null for a question about a network.")
    seed: int | None
    spec: dict[str, Any] = Field(description="What was asked, with every default written out; it can be posted again.")
    notes: list[str] = Field(description="What was decided or left out on the way from the data set to the network.")
    labels: dict[str, str]
    created_at: Time
    started_at: Time | None = Field(description="When a worker took the job for the first time.")
    finished_at: Time | None


def job_error(fields: dict[str, Json] | None) -> JobError | None:
    """The error as it stands in the job's row."""
    return None if fields is None else JobError.model_validate(fields)
