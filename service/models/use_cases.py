"""What can be done with models: keep one, find some, forget one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from core.experiment import Experiment
from core.graph.written import network_json, written_out
from service.kit import blobs
from service.models import references, repository
from service.models.names import MODEL_IDS, ModelId, model_name
from service.models.tables import ModelRow


def register(
    session: Session,
    *,
    job_id: str,
    dataset_id: str,
    name: str,
    experiment: Experiment,
    weights: bytes,
    scores: Mapping[str, Any],
    certificate: Mapping[str, Any] | None,
    provenance: Sequence[Mapping[str, Any]],
    now: datetime,
) -> ModelId:
    """Keep what a run has learned, as the next version of its name.

    Called in the transaction that ends the run. A name that is no token becomes the nearest one that is.
    """
    known_as = model_name(name)
    row = ModelRow(
        id=MODEL_IDS.new(),
        name=known_as,
        version=repository.next_version(session, known_as),
        job_id=job_id,
        dataset_id=dataset_id,
        spec=experiment.spec.model_dump(mode="json", exclude={"network"}),
        network=network_json(written_out(experiment.graph, with_params=False)),
        preparation=experiment.preparation.model_dump(mode="json"),
        weights=blobs.put(session, weights),
        parameter_count=experiment.graph.parameter_count,
        scores=dict(scores),
        certificate=None if certificate is None else dict(certificate),
        provenance=[dict(one) for one in provenance],
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row.id


def forget(session: Session, reference: str) -> None:
    """Delete the model that a reference names now; its weights go when nothing else refers to them.

    Raises ModelNotFound.
    """
    session.delete(references.find_model(session, reference))
