"""Reading and writing rows of data sets."""

from sqlalchemy.orm import Session, undefer_group

from service.datasets.ids import DatasetId
from service.datasets.tables import DatasetRow


def find(session: Session, dataset_id: DatasetId) -> DatasetRow | None:
    """The data set without the description of its columns."""
    return session.get(DatasetRow, dataset_id)


def find_described(session: Session, dataset_id: DatasetId) -> DatasetRow | None:
    """The data set and the description of its columns."""
    return session.get(DatasetRow, dataset_id, options=[undefer_group("description")])


def find_to_delete(session: Session, dataset_id: DatasetId) -> DatasetRow | None:
    """The data set, which nobody else can begin to use or delete before the transaction ends."""
    return session.get(DatasetRow, dataset_id, with_for_update=True)
