"""`/v1/datasets` and `/v1/samples`."""

from typing import Annotated

from fastapi import Query
from sqlalchemy import select
from starlette.responses import Response

from core.data.rows import rows_of
from core.data.samples import SAMPLES
from service.datasets import use_cases
from service.datasets.errors import DatasetInUse, DatasetNotFound
from service.datasets.files.apart import ReadersBusy
from service.datasets.ids import DatasetIdPath
from service.datasets.schemas import (
    DatasetSummary,
    DatasetView,
    NewDataset,
    Preview,
    RowsPage,
    SampleList,
    SampleView,
)
from service.datasets.tables import DatasetRow
from service.datasets.uploads import FORM_SCHEMA, Upload
from service.kit.clock import now
from service.kit.http.idempotency import Idempotent
from service.kit.http.openapi import request_body
from service.kit.http.paging import DEFAULT_LIMIT, MOST, Page, Paging, fetch_page
from service.kit.http.problems import problems
from service.kit.http.routes import feature_router
from service.kit.http.session import ReadSession, WriteSession

router = feature_router("datasets", "Tables to learn from: uploaded, sent inline, or drawn by a formula.")

_BODY = request_body(NewDataset, **{"multipart/form-data": FORM_SCHEMA})
_PREVIEWED_ROWS = 10
_MOST_ROW_NUMBER = 2**31


@router.post(
    "/v1/datasets",
    status_code=201,
    summary="Add a data set",
    response_model=DatasetView,
    dependencies=[Idempotent],
    responses=problems(ReadersBusy),
    openapi_extra=_BODY,
)
def create_dataset(session: WriteSession, new: Upload) -> Response:
    """A file in a form, rows or columns as JSON, or a sample by name. The answer says what each column was taken
    for; give `kinds` where that is not what you mean."""
    dataset = use_cases.create(session, use_cases.read(new), now())
    headers = {"Location": f"/v1/datasets/{dataset.id}"}
    return _json(DatasetView.of(dataset), status_code=201, headers=headers)


@router.post(
    "/v1/datasets/preview",
    summary="See what a data set would be",
    response_model=Preview,
    responses=problems(ReadersBusy),
    openapi_extra=_BODY,
)
def preview_dataset(new: Upload) -> Response:
    """The columns as they would be guessed, and the first rows; nothing is stored."""
    draft = use_cases.read(new)
    table = draft.table
    preview = Preview(
        name=draft.name,
        rows=table.rows,
        column_count=len(table.columns),
        columns=draft.description.columns,
        groups=draft.description.groups,
        source=draft.description.source,
        data=[{**row} for row in rows_of(table, 0, min(_PREVIEWED_ROWS, table.rows))],
    )
    return _json(preview)


@router.get("/v1/datasets", summary="List data sets")
def list_datasets(session: ReadSession, paging: Paging) -> Page[DatasetSummary]:
    """Newest first, unless asked otherwise."""
    return fetch_page(session, select(DatasetRow), DatasetRow.id, paging).page(DatasetSummary.of, lambda row: row.id)


@router.get(
    "/v1/datasets/{dataset_id}",
    summary="See a data set",
    response_model=DatasetView,
    responses=problems(DatasetNotFound),
)
def get_dataset(session: ReadSession, dataset_id: DatasetIdPath) -> Response:
    """Its columns with kind, missing values, statistics and categories."""
    return _json(DatasetView.of(use_cases.get(session, dataset_id)))


@router.get(
    "/v1/datasets/{dataset_id}/rows",
    summary="Read rows",
    response_model=RowsPage,
    responses=problems(DatasetNotFound),
)
def list_rows(
    session: ReadSession,
    dataset_id: DatasetIdPath,
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many rows at most.")] = DEFAULT_LIMIT,
    after: Annotated[
        int | None, Query(ge=0, le=_MOST_ROW_NUMBER, description="Only rows after the one of this number.")
    ] = None,
) -> Response:
    """Rows by number, from 0."""
    start = 0 if after is None else after + 1
    rows, has_more = use_cases.read_rows(session, dataset_id, start, limit)
    page = RowsPage(
        data=[{**row} for row in rows],
        first_id=start if rows else None,
        last_id=start + len(rows) - 1 if rows else None,
        has_more=has_more,
    )
    return _json(page)


@router.delete(
    "/v1/datasets/{dataset_id}",
    status_code=204,
    summary="Delete a data set",
    responses=problems(DatasetNotFound, DatasetInUse),
)
def delete_dataset(session: WriteSession, dataset_id: DatasetIdPath) -> None:
    """Refused while a job that is not over needs it. Models that were trained on it stay."""
    use_cases.delete(session, dataset_id)


@router.get("/v1/samples", summary="List samples")
def list_samples() -> SampleList:
    """Data sets that need no file; `{"sample": "<name>"}` adds one."""
    return SampleList(data=[SampleView.of(sample) for sample in SAMPLES.values()])


def _json(
    answer: DatasetView | Preview | RowsPage, status_code: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """The answer, encoded here in the thread of the route: descriptions of thousands of columns are megabytes."""
    return Response(answer.model_dump_json(), status_code=status_code, headers=headers, media_type="application/json")
