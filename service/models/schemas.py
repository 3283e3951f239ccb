"""Models as the routes show them."""

from typing import Any, Self

from pydantic import Field

from service.kit.clock import Time
from service.kit.http.schemas import StrictModel
from service.kit.provenance import Provenance
from service.models.certificates import Certificate
from service.models.tables import ModelRow


class ModelSummary(StrictModel):
    """A trained model in a list."""

    id: str
    name: str
    version: int = Field(description="Counts the models of this name.")
    reference: str = Field(description="Its name and version as one token.", examples=["penguins@3"])
    job: str = Field(description="The job that trained it.")
    dataset: str = Field(description="The data set it was trained on.")
    parameter_count: int
    weights_sha256: str = Field(description="Of the weights as safetensors; equal weights have equal digests.")
    scores: dict[str, Any] = Field(
        description="Loss and scores of the final weights on each split; those of further targets stand "
        "behind their names: `price.rmse`."
    )
    created_at: Time

    @classmethod
    def of(cls, row: ModelRow) -> Self:
        """The model of a row."""
        return cls(**_summary(row))


class ModelView(ModelSummary):
    """A trained model with everything it consists of but the weights, which `export` gives."""

    spec: dict[str, Any] = Field(description="How it was trained, every default written out; its network stands below.")
    network: dict[str, Any] = Field(description="In node form, without the values of the parameters.")
    preparation: dict[str, Any] = Field(description="How rows become numbers, fitted on the training rows.")
    certificate: Certificate | None = Field(description="The check of its gradients; null only for models of old.")
    provenance: list[Provenance] = Field(
        description="What it was computed with: one entry, or more if workers of other kinds went on with the run."
    )

    @classmethod
    def of(cls, row: ModelRow) -> Self:
        """The model of a row."""
        return cls(
            **_summary(row),
            spec=row.spec,
            network=row.network,
            preparation=row.preparation,
            certificate=None if row.certificate is None else Certificate.model_validate(row.certificate),
            provenance=[Provenance.model_validate(one) for one in row.provenance],
        )


def _summary(row: ModelRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "version": row.version,
        "reference": f"{row.name}@{row.version}",
        "job": row.job_id,
        "dataset": row.dataset_id,
        "parameter_count": row.parameter_count,
        "weights_sha256": row.weights,
        "scores": row.scores,
        "created_at": row.created_at,
    }
