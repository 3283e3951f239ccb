"""Answers that hold arrays: in full while they are small, else in summary, and always by the page.

A question gives every array in full and says nothing of this: whatever its answer holds, at any depth, is found here.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast, get_args, get_origin

import numpy as np
from pydantic import BaseModel, Field, create_model

from core.arrays import Array, Model
from core.errors import Invalid, Problem, pointer
from core.inspection.batch import BatchQuestion
from core.inspection.question import ArrayPage, Library, Question
from core.inspection.tensors import Shown, summarize

MOST_NUMBERS = 2_000_000
"""Numbers that an answer holds in full; beyond them summaries say more and cost less."""

MOST_NAMED = 1000
"""Pointers of arrays that a note names."""


class Summarized(Model):
    """What an answer would have held in full, had it not been too much."""

    numbers: int
    """In all its arrays together."""

    most: int
    """How many are given in full at most."""

    arrays: int
    pointers: list[str]
    """Where the summaries stand in the answer, each in place of an array; at most 1,000 of them are named."""

    detail: str


class PageAnswer(Model):
    """A stretch of one array of an answer."""

    pointer: str
    """Where the array stands in the answer."""

    shape: list[int]
    total: int
    """Entries of the whole array."""

    offset: int
    next_offset: int | None
    """The offset of the next page; null when this is the last."""

    non_finite: int
    """Entries of this page that are no numbers; in JSON they are null."""

    entries: Shown
    """The array flattened in C order, its last axis fastest, from `offset` on."""


class PagedAnswer(Model):
    """What is answered in place of the whole when the request asks for a page."""

    page: PageAnswer


def answered(question: Question, library: Library) -> BaseModel:
    """The answer in the form that the request asks for. Raises Invalid."""
    answer = _asked(question, library)
    if question.page is not None:
        return _paged(arrays_of(answer), question.page)
    wanted = _wants_summary(question)
    arrays = arrays_of(answer)
    numbers = sum(array.size for array in arrays.values())
    if wanted or (wanted is None and numbers > MOST_NUMBERS):
        short = in_summary(answer)
        return short if wanted else _with_note(type(question), short, arrays)
    if numbers > MOST_NUMBERS:
        detail = f"the answer would hold {numbers:,} numbers, at most {MOST_NUMBERS:,} are given; ask for a summary"
        raise Invalid([Problem("/summary", f"{detail}, or for an array by the `page`", allowed=[True], got=False)])
    return answer


def with_arrays_apart(question: Question, library: Library) -> tuple[BaseModel, Mapping[str, Array]]:
    """The answer with summaries in place of its arrays, and the arrays, by their pointers. Raises Invalid.

    Where the request asks for a page, that is the only array.
    """
    if _wants_summary(question):
        detail = "this form gives arrays in full; leave it out, or ask for JSON"
        raise Invalid([Problem("/summary", detail, allowed=[False, None], got=True)])
    answer = _asked(question, library)
    arrays = arrays_of(answer)
    if question.page is None:
        return in_summary(answer), arrays
    paged = _paged(arrays, question.page)
    return in_summary(paged), {question.page.pointer: cast(Array, paged.page.entries)}


def arrays_of(answer: BaseModel) -> dict[str, Array]:
    """Every array of an answer by its JSON Pointer."""
    found: dict[str, Array] = {}
    _mapped(answer, "", found.setdefault)
    return found


def in_summary(answer: BaseModel) -> BaseModel:
    """The answer with a summary in place of every array."""
    short = _mapped(answer, "", lambda _, array: summarize(array))
    assert isinstance(short, BaseModel)
    return short


@cache
def form_of(kind: type[Question]) -> type[BaseModel]:
    """What a question answers: its own answer, with a place for the note where arrays can be too large to give."""
    answer = kind.answer_type()
    if not holds_arrays(answer):
        return answer
    note = Field(default=None, description="Only there where summaries stand in place of arrays too large to give.")
    return create_model(answer.__name__, __base__=answer, __doc__=answer.__doc__, summarized=(Summarized | None, note))


@cache
def holds_arrays(annotation: Any) -> bool:
    """Whether values of a type can hold arrays."""
    pending, seen = [annotation], set()
    while pending:
        one = pending.pop()
        if one is np.ndarray or get_origin(one) is np.ndarray:
            return True
        if isinstance(one, type) and issubclass(one, BaseModel) and one not in seen:
            seen.add(one)
            pending += [field.annotation for field in one.model_fields.values()]
        pending += get_args(one)
    return False


def _asked(question: Question, library: Library) -> BaseModel:
    if question.page is not None:
        problems = []
        if not holds_arrays(type(question).answer_type()):
            problems.append(Problem("/page", "the answer to this question holds no arrays; leave it out"))
        if _wants_summary(question):
            problems.append(Problem("/summary", "a page gives an array in full; leave one of the two out", got=True))
        if problems:
            raise Invalid(problems)
    return question.answer(library)


def _wants_summary(question: Question) -> bool | None:
    return question.summary if isinstance(question, BatchQuestion) else None


def _paged(arrays: Mapping[str, Array], page: ArrayPage) -> PagedAnswer:
    array = arrays.get(page.pointer)
    if array is None:
        detail = "the answer holds no array of this pointer" + ("" if arrays else "; it holds none at all")
        raise Invalid([Problem("/page/pointer", detail, allowed=list(arrays), got=page.pointer)])
    if page.offset and page.offset >= array.size:
        detail = f"the array has {array.size} entries, counted from 0"
        raise Invalid([Problem("/page/offset", detail, got=page.offset)])
    end = page.offset + page.limit
    # Of an array that does not lie in order this copies no more than the page.
    entries = array.flat[page.offset : end]
    return PagedAnswer(
        page=PageAnswer(
            pointer=page.pointer,
            shape=list(array.shape),
            total=array.size,
            offset=page.offset,
            next_offset=end if end < array.size else None,
            non_finite=int(entries.size - np.isfinite(entries).sum()),
            entries=entries,
        )
    )


def _with_note(kind: type[Question], short: BaseModel, arrays: Mapping[str, Array]) -> BaseModel:
    numbers = sum(array.size for array in arrays.values())
    largest = max(arrays, key=lambda at: arrays[at].size)
    note = Summarized(
        numbers=numbers,
        most=MOST_NUMBERS,
        arrays=len(arrays),
        pointers=list(arrays)[:MOST_NAMED],
        detail=(
            f"The answer would hold {numbers:,} numbers, at most {MOST_NUMBERS:,} are given. Ask again with "
            f'"page": {{"pointer": "{largest}", "offset": 0}} for an array in full, page by page, '
            "or with Accept: application/x-npz for all of them in one file."
        ),
    )
    return form_of(kind).model_construct(**dict(short), summarized=note)


def _mapped(value: object, at: str, change: Callable[[str, Array], object]) -> object:
    """The value with every array in it exchanged, each known by its JSON Pointer."""
    match value:
        case np.ndarray():
            return change(at, value)
        case BaseModel():
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            return value.model_copy(update={n: _mapped(v, at + pointer(n), change) for n, v in fields.items()})
        case dict():
            return {name: _mapped(inner, at + pointer(name), change) for name, inner in value.items()}
        case list() | tuple() if any(
            isinstance(inner, BaseModel | dict | list | tuple | np.ndarray) for inner in value
        ):
            return [_mapped(inner, at + pointer(index), change) for index, inner in enumerate(value)]
        case _:
            return value
