"""`/v1/models/{model}/evaluate`."""

from fastapi import Request

from service.evaluations import use_cases
from service.evaluations.errors import DatasetGone
from service.evaluations.schemas import EvaluationAnswer, EvaluationRequest
from service.kit.http.problems import InvalidRequest, problems
from service.kit.http.routes import feature_router
from service.kit.http.session import ReadSession
from service.models.errors import ModelNotFound
from service.models.requests import ModelPath, shelf_of

router = feature_router("evaluations", "How good a model is on rows whose targets are known.")


@router.post(
    "/v1/models/{model}/evaluate",
    summary="Measure a model",
    responses=problems(ModelNotFound, DatasetGone, InvalidRequest),
)
def evaluate(request: Request, session: ReadSession, model: ModelPath, body: EvaluationRequest) -> EvaluationAnswer:
    """Loss, every metric of the task, and the confusions or residuals behind them, over all rows at once."""
    loaded = shelf_of(request).get(session, model)
    return use_cases.measure(loaded, use_cases.gather(session, loaded, body), body.split)
