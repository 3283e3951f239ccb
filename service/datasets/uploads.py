"""The body of a request that brings a data set: JSON, or a form with a file."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from core.errors import Problem, pointer
from service.datasets.files.contents import Delimiter, FileRequest, Format
from service.datasets.files.delimited import DELIMITERS
from service.datasets.schemas import Kinds, Name, NewDataset
from service.datasets.use_cases import NewFile
from service.kit.http.pointers import mistakes_of
from service.kit.http.problems import InvalidRequest, Unreadable, UnsupportedMedia
from service.kit.http.routes import JsonReader, is_json, read_body
from service.kit.http.schemas import StrictModel
from service.kit.http.strict_json import Json, read_json

_MOST_FIELDS = 20
_LONGEST_FILENAME = 255
_LARGEST_FIELD_BYTES = 1024 * 1024


class FileForm(StrictModel):
    """The fields of a form beside its file."""

    name: Name | None = None
    format: Format | None = Field(default=None, description="Told by the file's name and first bytes unless given.")
    kinds: Kinds = {}
    delimiter: Delimiter | None = Field(default=None, description="What stands between the cells of a CSV file.")
    header: bool | None = Field(default=None, description="Whether the first line of a CSV file names the columns.")


_json = JsonReader(NewDataset)
_fields: TypeAdapter[FileForm] = TypeAdapter(FileForm)
_fields_schema = _fields.json_schema()

FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "CSV, TSV, JSON, NDJSON, Parquet or NPZ.",
        },
        **_fields_schema["properties"],
    },
}


async def _read_upload(request: Request) -> AsyncIterator[NewDataset | NewFile]:
    if is_json(request):
        yield await read_body(request, _json)
        return
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMedia(
            "The body must be JSON (Content-Type: application/json) or a form with the file in the field `file` "
            "(Content-Type: multipart/form-data)."
        )
    with tempfile.TemporaryDirectory(prefix="backprop-upload-") as folder:
        async with request.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=_LARGEST_FIELD_BYTES) as form:
            file, fields = _checked(form)
            path = Path(folder) / "file"
            await run_in_threadpool(_save, file, path)
        asked = fields.model_dump(exclude={"name"})
        yield NewFile(path, FileRequest(filename=_shown(file.filename or ""), **asked), fields.name)


Upload = Annotated[NewDataset | NewFile, Depends(_read_upload)]
"""What the body brings, read and checked as far as that goes without reading a file."""


def _shown(filename: str) -> str:
    """The file's own name without its folders, as far as it can be shown."""
    name = PurePath(filename.replace("\\", "/")).name
    return "".join(character for character in name if character.isprintable())[-_LONGEST_FILENAME:]


def _save(file: UploadFile, path: Path) -> None:
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)


def _checked(form: FormData) -> tuple[UploadFile, FileForm]:
    """The file and the other fields. Raises InvalidRequest with all mistakes."""
    given = form.multi_items()
    names = [name for name, _ in given]
    problems = [Problem(pointer(name), "This field is given twice.") for name in set(names) if names.count(name) > 1]
    file = form.get("file")
    if not isinstance(file, UploadFile):
        problems.append(Problem("/file", "This field is required, and must be a file: it needs a file name."))
    body: dict[str, Json] = {}
    for name, value in given:
        if name == "file":
            continue
        if isinstance(value, str):
            body[name] = _typed(name, value, problems)
        else:
            problems.append(Problem(pointer(name), "This field is no file."))
    try:
        fields = _fields.validate_python(body, strict=True)
    except ValidationError as error:
        problems += mistakes_of(error, body, _fields_schema)
    if problems:
        raise InvalidRequest(errors=problems)
    assert isinstance(file, UploadFile)
    return file, fields


def _typed(name: str, value: str, problems: list[Problem]) -> Json:
    """The value that the text of a field stands for, or null and a problem."""
    match name:
        case "header":
            return _chosen(name, value, {"true": True, "false": False}, problems)
        case "delimiter":
            return _chosen(name, value, {**{each: each for each in DELIMITERS}, "tab": "\t"}, problems)
        case "kinds":
            return _json_object(name, value, problems)
    return value


def _chosen(name: str, value: str, choices: Mapping[str, Json], problems: list[Problem]) -> Json:
    if value not in choices:
        problems.append(Problem(pointer(name), "This field has one of a few values.", allowed=[*choices], got=value))
    return choices.get(value)


def _json_object(name: str, value: str, problems: list[Problem]) -> Json:
    try:
        return read_json(value.encode())[1]
    except InvalidRequest as error:
        problems += [problem.below(pointer(name)) for problem in error.errors]
    except Unreadable:
        problems.append(Problem(pointer(name), 'This field holds JSON, such as {"zip_code": "category"}.'))
    return {}
