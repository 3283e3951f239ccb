"""How good a model is on rows whose targets are known."""

import json
import math
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from core.arrays import Array
from core.data.choice import rows_with_target
from core.data.table import Table
from core.errors import Invalid, Problem
from core.evaluation import judge_all
from core.experiment import ExperimentSpec, split_of
from core.inspection.examples import column_of_weights
from core.training.examples import Examples, check_indices
from service.datasets.ids import DatasetId
from service.datasets.tables import DatasetRow
from service.datasets.use_cases import load_table
from service.evaluations.errors import DatasetGone
from service.evaluations.schemas import EvaluationAnswer, EvaluationRequest, SplitName
from service.models.loading import LoadedModel


@dataclass(frozen=True)
class Material:
    """The rows to be measured, prepared, and where they come from."""

    dataset_id: str
    examples: Examples


def gather(session: Session, model: LoadedModel, asked: EvaluationRequest) -> Material:
    """Read and prepare the rows. Raises Invalid, DatasetGone."""
    if asked.dataset is not None:
        if session.get(DatasetRow, asked.dataset) is None:
            raise Invalid([Problem("/dataset", "there is no data set with this id", got=asked.dataset)])
        return Material(asked.dataset, _prepared(model, load_table(session, DatasetId(asked.dataset))))
    assert asked.split is not None
    return _of_split(session, model, asked.split)


def measure(model: LoadedModel, material: Material, split: SplitName | None) -> EvaluationAnswer:
    """Loss and metrics of the model over these rows. Raises Invalid where its outputs are not finite."""
    graph, examples = model.graph, material.examples.typed(model.graph, model.parameters.dtype)
    with model.evaluator() as evaluator, np.errstate(all="ignore"):
        values = evaluator.values(examples.inputs, list(graph.outcomes))
        loss = evaluator.judge(values, examples.targets, examples.sample_weights)
    if not all(np.isfinite(outputs).all() for outputs in values.values()):
        detail = "the model's outputs are not finite for some of these rows: they are too far from the training rows"
        raise Invalid([Problem("/dataset" if split is None else "/split", detail)])
    judged = judge_all(graph, model.preparation.targets, values, material.examples.targets)
    return EvaluationAnswer(
        model=model.label,
        dataset=material.dataset_id,
        split=split,
        rows=examples.rows,
        loss=loss if math.isfinite(loss) else None,
        metrics=judged.metrics,
        confusion=judged.confusion,
        residuals=judged.residuals,
    )


def _prepared(model: LoadedModel, table: Table) -> Examples:
    """The rows of another data set that have a target. Raises Invalid at `/dataset`."""
    preparation = model.preparation
    wanted = {form.name: form.kind for form in [*preparation.feature_forms, *preparation.target_forms]}
    missing = [name for name in wanted if name not in table.names]
    if missing:
        raise Invalid(Problem("/dataset", f"the data set has no column {name!r}") for name in missing)
    kept = table.take(rows_with_target(table, preparation.target_columns))
    if not kept.rows:
        raise Invalid([Problem("/dataset", "no row of the data set has a target")])
    try:
        inputs, targets = preparation.input_arrays(kept), preparation.target_arrays(kept)
        check_indices(model.graph, inputs, "/rows")
        return Examples(inputs, targets, _weights(model, kept)).shaped(model.graph)
    except Invalid as error:
        raise Invalid(
            Problem("/dataset", f"{p.pointer}: {p.detail}", p.allowed, p.got) for p in error.problems
        ) from error


def _weights(model: LoadedModel, table: Table) -> dict[int, Array]:
    """The weights of the examples, where a loss term takes them from a column."""
    named = {i: loss.sample_weight for i, loss in enumerate(model.graph.losses) if isinstance(loss.sample_weight, str)}
    missing = sorted({name for name in named.values() if name not in table.names})
    if missing:
        raise Invalid(Problem("", f"the data set has no column {name!r} of weights") for name in missing)
    return {index: column_of_weights(table, name) for index, name in named.items()}


def _of_split(session: Session, model: LoadedModel, split: SplitName) -> Material:
    """The rows that the job put into a split. Raises DatasetGone, Invalid for a split without rows."""
    spec = _split_spec(model)
    dataset_id = model.dataset_id
    table = _table(session, dataset_id)
    if split == "validation" and spec.split.validation_dataset is not None:
        dataset_id = spec.split.validation_dataset
        return Material(dataset_id, _prepared(model, _table(session, dataset_id)))
    validates = spec.split.validation_dataset is not None
    rows = getattr(split_of(spec, table, model.graph.losses, validates=validates), split)
    if not len(rows):
        raise Invalid(
            [Problem("/split", f"the job kept no rows for {split}", allowed=_splits_with_rows(spec), got=split)]
        )
    return Material(dataset_id, _prepared(model, table.take(rows)))


def _split_spec(model: LoadedModel) -> ExperimentSpec:
    """What the job was told, as far as it decides which row goes where."""
    named = {name: model.spec[name] for name in ExperimentSpec.model_fields if name in model.spec}
    return ExperimentSpec.model_validate_json(json.dumps({**named, "loss": None, "network": None}))


def _table(session: Session, dataset_id: str) -> Table:
    if session.get(DatasetRow, dataset_id) is None:
        raise DatasetGone(dataset=dataset_id)
    return load_table(session, DatasetId(dataset_id))


def _splits_with_rows(spec: ExperimentSpec) -> list[object]:
    shares: dict[object, float] = {"training": 1.0, "validation": spec.split.validation, "test": spec.split.test}
    return [name for name, share in shares.items() if share]
