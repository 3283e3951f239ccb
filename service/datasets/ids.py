"""Ids of data sets."""

from typing import Annotated, NewType

from service.kit.ids import IdKind

DatasetId = NewType("DatasetId", str)
DATASET_IDS = IdKind("ds", DatasetId)
DatasetIdPath = Annotated[DatasetId, DATASET_IDS.path("The data set.")]
