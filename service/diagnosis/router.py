"""`/v1/jobs/{id}/diagnosis`."""

from service.diagnosis import use_cases
from service.diagnosis.errors import NothingToDiagnose
from service.diagnosis.schemas import Diagnosis
from service.jobs.errors import JobNotFound
from service.jobs.ids import JobIdPath
from service.kit.http.problems import problems
from service.kit.http.routes import feature_router
from service.kit.http.session import ReadSession

router = feature_router("diagnosis", "Why a run learns or does not: verdicts, each with the number it rests on.")


@router.get(
    "/v1/jobs/{job_id}/diagnosis",
    summary="Why a job learns or does not",
    responses=problems(JobNotFound, NothingToDiagnose),
)
def read_diagnosis(session: ReadSession, job_id: JobIdPath) -> Diagnosis:
    """All that holds of the run up to its last whole epoch, also while it goes on; an empty list means healthy.

    The same is told by events of the kind `diagnosis` whenever a verdict appears, changes its severity or ends.
    """
    return use_cases.diagnose(session, job_id)
