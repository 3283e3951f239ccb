"""`/v1/models/{model}/predict`."""

from fastapi import Request
from starlette.responses import Response

from service.kit.http.problems import InvalidRequest, problems
from service.kit.http.routes import feature_router
from service.models.errors import ModelNotFound
from service.models.requests import ModelPath, load_model
from service.predictions import use_cases
from service.predictions.schemas import PredictionAnswer, PredictionRequest

router = feature_router("predictions", "What a model makes of rows it has not seen.")


@router.post(
    "/v1/models/{model}/predict",
    summary="Predict",
    response_model=PredictionAnswer,
    responses=problems(ModelNotFound, InvalidRequest),
)
def predict(request: Request, model: ModelPath, body: PredictionRequest) -> Response:
    """Any model or checkpoint answers, with the preparation it was trained with. The answer for one row does not
    depend on the others, save for rounding."""
    answer = use_cases.answer(load_model(request, model), body)
    return Response(answer.model_dump_json(), media_type="application/json")
