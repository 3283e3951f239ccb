"""What a model carries as proof of its gradients."""

from typing import Literal

from pydantic import Field

from core.inspect.gradient_check import Direction, Kink, TensorCheck
from core.inspection.batch import SplitRows
from service.kit.http.schemas import StrictModel
from service.kit.provenance import Provenance

Coverage = Literal["every tensor", "all parameters together"]


class Digests(StrictModel):
    """SHA-256 of what was checked."""

    weights_sha256: str = Field(description="Of the weights, as the model shows it.")
    dataset_sha256: str | None = Field(description="Of the data set, as it shows it; null if it was deleted meanwhile.")
    batch_sha256: str = Field(description="Of the prepared rows: name, type, shape and bytes of every array.")


class Certificate(StrictModel):
    """The gradient check of a model's final weights, on some of its training rows, with all it takes to repeat it.

    `POST /v1/inspect/gradient-check` with the model as subject, this `batch` and `seed`, `include` ["params"] and
    `summary` true gives the same numbers where every tensor was checked.
    """

    passed: bool | None = Field(description="Whether every error is within the tolerance; null where nothing was told.")
    reason: str | None = Field(default=None, description="Why nothing was told.")
    max_relative_error: float | None = None
    tolerance: float | None = None
    directions: list[Direction] = []
    tensors: list[TensorCheck] = Field(default=[], description="None where the network was too large to check each.")
    inputs: list[TensorCheck] = []
    kinks: list[Kink] = []
    covers: Coverage | None = Field(
        default=None, description="Large networks are checked along directions over all parameters, and no further."
    )
    batch: SplitRows | None = Field(default=None, description="The rows it was checked on.")
    seed: int | None = Field(default=None, description="Of the random directions.")
    digests: Digests | None = Field(default=None, description="Of certificates since they carry them.")
    provenance: Provenance | None = Field(default=None, description="The libraries and the machine that checked.")
