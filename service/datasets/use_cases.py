"""What can be done with data sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import cast

from sqlalchemy.orm import Session

from core.data.cells import Cell, table_from_grid, table_from_records
from core.data.rows import rows_of
from core.data.samples import SAMPLES, draw_sample
from core.data.schema import with_kinds
from core.data.table import Table, table_from_bytes, table_to_bytes
from core.errors import Invalid, Problem
from service.datasets import repository
from service.datasets.errors import DatasetInUse, DatasetNotFound
from service.datasets.files.answer import Description
from service.datasets.files.apart import read_file_apart
from service.datasets.files.contents import MOST_CELLS, FileRequest, Source
from service.datasets.ids import DATASET_IDS, DatasetId
from service.datasets.needs import find_need
from service.datasets.schemas import NewDataset, NewGrid, NewRows, NewSample
from service.datasets.tables import DatasetRow
from service.kit import blobs

LONGEST_NAME = 200


@dataclass(frozen=True)
class NewFile:
    """An uploaded file, and how it is to be read."""

    path: Path
    request: FileRequest
    name: str | None = None


@dataclass(frozen=True)
class Draft:
    """A data set that was read and is not stored yet."""

    name: str
    content: bytes
    """The table in its form of bytes."""
    description: Description

    @property
    def table(self) -> Table:
        return table_from_bytes(self.content)


def read(new: NewDataset | NewFile) -> Draft:
    """The data set that was sent or asked for. Takes time; touches no database.

    Raises Invalid with all mistakes, and ReadersBusy.
    """
    match new:
        case NewFile():
            content, description = read_file_apart(new.path, new.request)
            return Draft(new.name or PurePath(new.request.filename).stem[:LONGEST_NAME] or "file", content, description)
        case NewRows(rows=rows):
            _check_cells(len(rows), len(rows[0]), "/rows")
            # Cells that are lists or objects are refused there, by name.
            table = table_from_records(cast("list[Mapping[str, Cell]]", rows), new.kinds)
            return _draft(new.name or "inline", table, Source(format="inline"))
        case NewGrid(columns=columns, data=grid):
            _check_cells(len(grid), len(columns), "/data")
            table = table_from_grid(columns, cast("list[list[Cell]]", grid), new.kinds)
            return _draft(new.name or "inline", table, Source(format="inline"))
        case NewSample():
            return _sample(new)


def _sample(new: NewSample) -> Draft:
    table = with_kinds(draw_sample(new.sample, new.rows, new.noise, new.seed), new.kinds)
    sample = SAMPLES[new.sample]
    is_generated = sample.origin == "generated"
    source = Source(
        format="sample",
        sample=sample.name,
        noise=sample.noise if new.noise is None else new.noise,
        seed=(new.seed or 0) if is_generated else None,
    )
    return _draft(new.name or sample.name, table, source)


def _draft(name: str, table: Table, source: Source) -> Draft:
    return Draft(name, table_to_bytes(table), Description.of(table, source))


def _check_cells(rows: int, columns: int, place: str) -> None:
    if rows * columns > MOST_CELLS:
        raise Invalid([Problem(place, f"{rows} rows of {columns} columns are more than {MOST_CELLS} cells")])


def create(session: Session, draft: Draft, now: datetime) -> DatasetRow:
    """Store a data set. The same content twice makes two data sets, and is kept once."""
    rows, column_count = draft.table.rows, len(draft.description.columns)
    described = draft.description.model_dump(mode="json")
    dataset = DatasetRow(
        id=DATASET_IDS.new(),
        name=draft.name,
        created_at=now,
        rows=rows,
        column_count=column_count,
        columns=described["columns"],
        groups=described["groups"],
        source=described["source"],
        sha256=blobs.put(session, draft.content),
        size_bytes=len(draft.content),
    )
    session.add(dataset)
    session.flush()
    return dataset


def get(session: Session, dataset_id: DatasetId) -> DatasetRow:
    """The data set with the description of its columns.

    Raises DatasetNotFound.
    """
    return _found(repository.find_described(session, dataset_id), dataset_id)


def load_table(session: Session, dataset_id: DatasetId) -> Table:
    """The cells of a data set.

    Raises DatasetNotFound.
    """
    dataset = _found(repository.find(session, dataset_id), dataset_id)
    return table_from_bytes(blobs.get(session, dataset.sha256))


def read_rows(session: Session, dataset_id: DatasetId, start: int, limit: int) -> tuple[list[dict[str, Cell]], bool]:
    """At most `limit` rows from number `start` on, and whether more follow.

    Raises DatasetNotFound.
    """
    table = load_table(session, dataset_id)
    stop = min(start + limit, table.rows)
    return rows_of(table, start, stop), stop < table.rows


def delete(session: Session, dataset_id: DatasetId) -> None:
    """Delete a data set, and its cells when no other data set has the same.

    Raises DatasetNotFound, DatasetInUse.
    """
    dataset = _found(repository.find_to_delete(session, dataset_id), dataset_id)
    needed_by = find_need(session, dataset_id)
    if needed_by is not None:
        raise DatasetInUse(needed_by=needed_by)
    session.delete(dataset)
    session.flush()
    blobs.collect_unreferenced(session, among=[dataset.sha256])


def _found(dataset: DatasetRow | None, dataset_id: DatasetId) -> DatasetRow:
    if dataset is None:
        raise DatasetNotFound(id=dataset_id)
    return dataset
