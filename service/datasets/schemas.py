"""What is sent and answered about data sets."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, JsonValue, StringConstraints, Tag

from core.data.samples import MOST_ROWS, Sample
from core.data.schema import ColumnProfile, GroupProfile, profile_groups
from core.data.table import ColumnKind
from service.datasets.files.contents import Source
from service.datasets.ids import DatasetId
from service.datasets.tables import DatasetRow
from service.kit.clock import Time
from service.kit.http.schemas import StrictModel

Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"), Field(examples=["penguins"])
]
Kinds = Annotated[
    dict[str, ColumnKind],
    Field(
        description="Kinds of columns, where the guess would be wrong: `number`, `category` or `text`.",
        examples=[{"zip_code": "category"}],
    ),
]


class NewRows(StrictModel):
    """A data set as rows that are objects with the same members."""

    name: Name | None = None
    rows: list[dict[str, JsonValue]] = Field(
        min_length=1,
        description="Every row has the members of the first, which are numbers, texts, booleans, or null if missing.",
        examples=[[{"x": 0.5, "color": "red"}, {"x": None, "color": "blue"}]],
    )
    kinds: Kinds = {}


class NewGrid(StrictModel):
    """A data set as names of columns and rows that are lists."""

    name: Name | None = None
    columns: list[str] = Field(min_length=1, examples=[["x", "color"]])
    data: list[list[JsonValue]] = Field(min_length=1, examples=[[[0.5, "red"], [None, "blue"]]])
    kinds: Kinds = {}


class NewSample(StrictModel):
    """A data set that needs no file; `GET /v1/samples` lists them."""

    name: Name | None = None
    sample: str = Field(max_length=100, examples=["spirals"])
    rows: int | None = Field(default=None, ge=1, le=MOST_ROWS, description="Of a generated sample.")
    noise: float | None = Field(default=None, ge=0, le=100, description="Of a generated sample.")
    seed: int | None = Field(default=None, ge=0, description="Of a generated sample; 0 unless given.")
    kinds: Kinds = {}


def _form_of(body: Any) -> str:
    members = body if isinstance(body, dict) else {}
    if "sample" in members:
        return "NewSample"
    return "NewGrid" if "columns" in members or "data" in members else "NewRows"


NewDataset = Annotated[
    Annotated[NewRows, Tag("NewRows")] | Annotated[NewGrid, Tag("NewGrid")] | Annotated[NewSample, Tag("NewSample")],
    Discriminator(_form_of),
]


class DatasetSummary(StrictModel):
    """A data set in a list."""

    id: DatasetId
    name: str
    created_at: Time
    rows: int
    column_count: int
    sha256: str = Field(
        description="Of the stored form: data sets with the same cells, kinds and groups have the same."
    )
    size_bytes: int

    @classmethod
    def of(cls, row: DatasetRow) -> "DatasetSummary":
        """What a list says of the data set."""
        return cls(**{name: getattr(row, name) for name in DatasetSummary.model_fields})


class DatasetView(StrictModel):
    """A data set with all that is known of its columns."""

    id: DatasetId
    name: str
    created_at: Time
    rows: int
    column_count: int
    columns: list[ColumnProfile]
    groups: list[GroupProfile] = Field(
        description="Columns that belong together, such as the pixels of an image: arrays of an NPZ file with more "
        "than one axis. In `features` and `target` of a job the name of a group stands for its columns."
    )
    source: Source
    sha256: str = Field(
        description="Of the stored form: data sets with the same cells, kinds and groups have the same."
    )
    size_bytes: int

    @classmethod
    def of(cls, row: DatasetRow) -> "DatasetView":
        """All that is known of the data set."""
        members = {name: getattr(row, name) for name in DatasetSummary.model_fields}
        columns = [ColumnProfile.model_validate(column) for column in row.columns]
        groups = [GroupProfile.model_validate(group) for group in row.groups or ()]
        return cls(**members, columns=columns, groups=groups, source=Source.model_validate(row.source))


class Preview(StrictModel):
    """What a data set would be; nothing was stored."""

    name: str
    rows: int
    column_count: int
    columns: list[ColumnProfile]
    groups: list[GroupProfile] = Field(description="Columns that belong together, such as the pixels of an image.")
    source: Source
    data: list[dict[str, JsonValue]] = Field(description="The first rows.")


class RowsPage(StrictModel):
    """Some rows of a data set; go on with `?after=<last_id>`."""

    data: list[dict[str, JsonValue]] = Field(description="Rows as objects; null for a missing value.")
    first_id: int | None = Field(description="The number of the first row here, from 0.")
    last_id: int | None = Field(description="The number of the last row here.")
    has_more: bool


class SampleView(StrictModel):
    """A data set one can ask for by name."""

    name: str
    origin: Literal["generated", "bundled"]
    description: str
    target: str = Field(description="The column one would learn to predict.")
    rows: int = Field(description="How many it has; a generated one, unless another number is asked for.")
    noise: float | None = Field(description="Of a generated sample, unless another is asked for.")
    groups: list[GroupProfile] = Field(description="Columns that belong together, such as the pixels of an image.")
    licence: str | None = Field(description="Of the data of a bundled sample.")

    @classmethod
    def of(cls, sample: Sample) -> "SampleView":
        """The sample as it is shown."""
        members = {name: getattr(sample, name) for name in cls.model_fields if name != "groups"}
        return cls(**members, groups=profile_groups(sample.groups))


class SampleList(StrictModel):
    """All samples."""

    data: list[SampleView]
