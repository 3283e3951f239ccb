"""What a model makes of rows it is given."""

import numpy as np

from core.data.rows import table_from_inputs, table_from_rows
from core.data.table import Table
from core.prediction import class_labels, predict
from core.training.examples import Examples, check_indices
from service.models.loading import LoadedModel
from service.predictions.schemas import PredictionAnswer, PredictionRequest


def answer(model: LoadedModel, asked: PredictionRequest) -> PredictionAnswer:
    """The predictions of a request's rows, prepared as the training rows were.

    Raises Invalid, naming unknown and missing columns, cells of the wrong kind and indices beyond a vocabulary.
    """
    features = model.preparation.features(_table(model, asked))
    place = "/rows" if asked.rows is not None else "/inputs"
    examples = Examples(dict.fromkeys(model.graph.inputs, features), {})
    check_indices(model.graph, examples.inputs, place)
    # Far beyond the training rows an activation may overflow; `predict` says in which rows it did.
    with model.evaluator() as evaluator, np.errstate(all="ignore"):
        outputs = evaluator.outputs(examples.typed(model.graph, model.parameters.dtype).inputs)
    found = predict(model.graph, model.preparation, outputs, place=place)
    return PredictionAnswer.model_construct(
        model=model.label,
        target=list(model.preparation.target.columns),
        predictions=found.predictions,
        probabilities=None if found.probabilities is None else found.probabilities.tolist(),
        deviations=found.deviations,
        classes=class_labels(model.preparation),
    )


def _table(model: LoadedModel, asked: PredictionRequest) -> Table:
    forms = model.preparation.feature_forms
    if asked.rows is not None:
        return table_from_rows(asked.rows, forms)
    assert asked.inputs is not None  # one of the two, as the request has checked
    return table_from_inputs(asked.inputs, forms)
