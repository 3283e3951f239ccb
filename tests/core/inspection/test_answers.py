"""Answers that hold arrays: in full, in summary, by the page; of any question, wherever in the answer they stand."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args, get_origin

import numpy as np
import pytest
from pydantic import BaseModel

from core.arrays import Array, Model
from core.errors import Invalid
from core.inspect import QUESTIONS
from core.inspect.gradients import Gradients
from core.inspection.answers import MOST_NUMBERS, answered, arrays_of, holds_arrays, with_arrays_apart
from core.inspection.question import Library, Question
from core.inspection.tensors import Shown, TensorSummary

Body = dict[str, Any]


class Found(Model):
    """Something found in one place."""

    name: str
    array: Shown


class DeepAnswer(Model):
    """Arrays in lists and mappings, beside other things."""

    numbers: list[float]
    found: list[Found]
    by_name: dict[str, dict[str, Shown]]


class Deep(Question):
    """A question that knows nothing of pages and summaries."""

    question: Literal["deep"] = "deep"
    sentence: ClassVar[str] = "What lies deep?"
    example: ClassVar[Mapping[str, Any]] = {}

    arrays: ClassVar[list[Array]] = []

    def answer(self, library: Library) -> DeepAnswer:
        first, second = self.arrays
        return DeepAnswer(numbers=[1.0, 2.0], found=[Found(name="a", array=first)], by_name={"p/q": {"~": second}})


def a_deep(first: Array, second: Array, **body: Any) -> Question:
    """A question of this kind about two arrays."""

    class About(Deep):
        arrays: ClassVar[list[Array]] = [first, second]

    return About.model_validate(body)


def shown(question: Question, library: Library) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answered(question, library).model_dump_json())
    return found


def mistakes(question: Question, library: Library) -> dict[str, Any]:
    with pytest.raises(Invalid) as caught:
        answered(question, library)
    return {problem.pointer: problem.allowed for problem in caught.value.problems}


FIRST, SECOND = np.arange(6.0).reshape(2, 3).T, np.array([1.0, np.nan, -np.inf])


def test_arrays_are_found_at_any_depth_under_their_pointers(library: Library) -> None:
    answer = a_deep(FIRST, SECOND).answer(library)
    assert arrays_of(answer).keys() == {"/found/0/array", "/by_name/p~1q/~0"}


def test_a_small_answer_is_given_in_full_and_without_a_word_about_it(library: Library) -> None:
    assert shown(a_deep(FIRST, SECOND), library) == {
        "numbers": [1.0, 2.0],
        "found": [{"name": "a", "array": FIRST.tolist()}],
        "by_name": {"p/q": {"~": [1.0, None, None]}},
    }


def test_a_page_is_a_stretch_of_one_array_in_c_order(library: Library) -> None:
    def page(pointer: str, **rest: int) -> dict[str, Any]:
        answer = shown(a_deep(FIRST, SECOND, page={"pointer": pointer, **rest}), library)
        assert answer.keys() == {"page"}
        found: dict[str, Any] = answer["page"]
        return found

    beginning = page("/found/0/array", limit=4)
    assert beginning["shape"] == [3, 2] and beginning["total"] == 6
    assert beginning["entries"] == [0.0, 3.0, 1.0, 4.0] and beginning["next_offset"] == 4
    rest = page("/found/0/array", offset=beginning["next_offset"], limit=4)
    assert rest["entries"] == [2.0, 5.0] and rest["next_offset"] is None
    strange = page("/by_name/p~1q/~0")
    assert strange["entries"] == [1.0, None, None] and strange["non_finite"] == 2


def test_the_pages_of_an_array_are_all_of_it(library: Library) -> None:
    entries: list[float] = []
    offset: int | None = 0
    while offset is not None:
        page = shown(a_deep(FIRST, SECOND, page={"pointer": "/found/0/array", "offset": offset, "limit": 2}), library)
        entries += page["page"]["entries"]
        offset = page["page"]["next_offset"]
    np.testing.assert_array_equal(np.reshape(entries, FIRST.shape), FIRST)


def test_a_page_of_nothing_is_refused_by_what_there_is(library: Library) -> None:
    there = ["/found/0/array", "/by_name/p~1q/~0"]
    assert mistakes(a_deep(FIRST, SECOND, page={"pointer": "/found/1/array"}), library) == {"/page/pointer": there}
    assert mistakes(a_deep(FIRST, SECOND, page={"pointer": "/numbers"}), library) == {"/page/pointer": there}
    beyond = {"pointer": "/found/0/array", "offset": 6}
    assert mistakes(a_deep(FIRST, SECOND, page=beyond), library).keys() == {"/page/offset"}


def test_a_large_answer_is_summaries_and_says_so(library: Library) -> None:
    large = np.broadcast_to(np.float64(2.0), (1000, MOST_NUMBERS // 1000))
    answer = shown(a_deep(large, SECOND), library)
    note = answer["summarized"]
    assert note["pointers"] == ["/found/0/array", "/by_name/p~1q/~0"]
    assert note["numbers"] == MOST_NUMBERS + 3 and note["most"] == MOST_NUMBERS
    assert '"pointer": "/found/0/array"' in note["detail"] and "x-npz" in note["detail"]
    assert answer["found"][0]["array"]["rms"] == 2.0
    assert answer["by_name"]["p/q"]["~"]["non_finite"] == 2
    assert answer["numbers"] == [1.0, 2.0]


def test_an_answer_of_just_so_many_numbers_is_given_in_full(library: Library) -> None:
    large = np.broadcast_to(np.float64(2.0), (MOST_NUMBERS - 3,))
    assert answered(a_deep(large, SECOND), library).model_dump()["found"][0]["array"] is not None
    assert "summarized" not in answered(a_deep(large, SECOND), library).model_dump(exclude={"found"})


def a_wide_network(**fields: Any) -> Gradients:
    """Some 9 million numbers."""
    network = {"layers": [{"op": "dense", "units": 3000}, {"op": "dense", "units": 1}], "losses": [{"kind": "mse"}]}
    body = {"subject": {"network": network}, "inputs": {"x": [[0.5] * 1000]}, "targets": {"y": [[0.0]]}} | fields
    return Gradients.model_validate_json(json.dumps(body))


def test_large_gradients_are_summaries_of_which_every_array_can_be_paged(library: Library) -> None:
    answer = shown(a_wide_network(), library)
    pointers = answer["summarized"]["pointers"]
    assert "/gradients/params/dense_1/W" in pointers
    assert answer["gradients"]["params"]["dense_1"]["W"]["shape"] == [1000, 3000]
    assert answer["loss"] is not None
    page = {"pointer": "/gradients/params/dense_1/W", "offset": 2_999_990}
    end = shown(a_wide_network(page=page), library)["page"]
    assert len(end["entries"]) == 10 and end["next_offset"] is None and end["shape"] == [1000, 3000]


def test_a_summary_can_be_had_refused_or_left_to_the_size(library: Library) -> None:
    assert mistakes(a_wide_network(summary=False), library).keys() == {"/summary"}
    assert "summarized" not in shown(a_wide_network(summary=True), library)
    page = {"pointer": "/values/dense_2"}
    assert shown(a_wide_network(summary=False, page=page), library)["page"]["total"] == 1
    assert mistakes(a_wide_network(summary=True, page=page), library).keys() == {"/summary"}
    with pytest.raises(Invalid, match="in full"):
        with_arrays_apart(a_wide_network(summary=True), library)


def test_the_arrays_of_a_page_apart_are_that_page(library: Library) -> None:
    page = {"pointer": "/by_name/p~1q/~0", "offset": 1}
    answer, arrays = with_arrays_apart(a_deep(FIRST, SECOND, page=page), library)
    assert arrays.keys() == {page["pointer"]}
    np.testing.assert_array_equal(arrays["/by_name/p~1q/~0"], SECOND[1:])
    assert json.loads(answer.model_dump_json())["page"]["shape"] == [3]


WITHOUT_MODELS = [kind for kind in QUESTIONS.values() if "model" not in kind.example.get("subject", {})]


@pytest.mark.parametrize("kind", WITHOUT_MODELS, ids=lambda kind: kind.__name__)
def test_the_example_of_every_question_is_answered_and_has_its_pages(kind: type[Question], library: Library) -> None:
    answer = kind.model_validate_json(json.dumps(dict(kind.example))).answer(library)
    arrays = arrays_of(answer)
    assert holds_arrays(type(answer)) or not arrays
    for pointer, array in arrays.items():
        paged = kind.model_validate_json(json.dumps(dict(kind.example) | {"page": {"pointer": pointer}}))
        np.testing.assert_array_equal(shown(paged, library)["page"]["entries"], array.reshape(-1))
    if not holds_arrays(type(answer)):
        paged = kind.model_validate_json(json.dumps(dict(kind.example) | {"page": {"pointer": ""}}))
        assert mistakes(paged, library).keys() == {"/page"}


@pytest.mark.parametrize("kind", QUESTIONS.values(), ids=list(QUESTIONS))
def test_a_summary_fits_wherever_an_answer_has_an_array(kind: type[Question]) -> None:
    """A field of a bare array could not be shortened."""
    pending: list[Any] = [kind.answer_type()]
    seen: set[Any] = set()
    while pending:
        one = pending.pop()
        if isinstance(one, type) and issubclass(one, BaseModel) and one not in seen:
            seen.add(one)
            pending += [field.annotation for field in one.model_fields.values()]
        inner = get_args(one)
        assert TensorSummary in inner or not any(get_origin(part) is np.ndarray for part in (one, *inner))
        pending += [part for part in inner if get_origin(part) is not np.ndarray]
