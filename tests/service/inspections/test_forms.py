"""The forms of an answer over REST: JSON in full, in summary and by the page; NPZ where Accept asks for it."""

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from core.inspect import QUESTIONS
from core.inspection.answers import MOST_NUMBERS, holds_arrays
from service.inspections.npz import entry_name, npz

Json = dict[str, Any]

NPZ = {"Accept": "application/x-npz"}

WITH_ARRAYS = [name for name, kind in QUESTIONS.items() if holds_arrays(kind.answer_type())]
EXAMPLE: Json = dict(QUESTIONS["gradients"].example)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """These questions bring their networks."""
    return sqlite_url


@pytest.fixture(params=QUESTIONS)
def question(request: pytest.FixtureRequest) -> str:
    """Every question; if its example is about a model, that is there."""
    if "model" in QUESTIONS[request.param].example.get("subject", {}):
        request.getfixturevalue("iris")
    return str(request.param)


def a_wide_network() -> Json:
    """Some 9 million numbers, of one example."""
    network = {"layers": [{"op": "dense", "units": 3000}, {"op": "dense", "units": 1}], "losses": [{"kind": "mse"}]}
    return {"subject": {"network": network}, "inputs": {"x": [[0.5] * 1000]}, "targets": {"y": [[0.0]]}}


def arrays_in(answer: Any, at: str = "") -> dict[str, Any]:
    """Every nested list of numbers of a JSON answer, by its pointer without the leading slash."""
    if isinstance(answer, dict):
        return {k: v for name, inner in answer.items() for k, v in arrays_in(inner, f"{at}/{name}").items()}
    return {at.removeprefix("/"): answer} if isinstance(answer, list) else {}


def test_every_array_of_the_gradients_is_an_entry_of_the_file_to_the_last_bit(client: TestClient) -> None:
    answer = client.post("/v1/inspect/gradients", json=EXAMPLE).json()
    got = client.post("/v1/inspect/gradients", json=EXAMPLE, headers=NPZ)
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == "application/x-npz" and got.headers["vary"] == "Accept"
    assert got.headers["content-disposition"] == 'attachment; filename="gradients.npz"'
    with np.load(io.BytesIO(got.content), allow_pickle=False) as file:
        expected = {name: value for name, value in arrays_in(answer).items() if name.startswith(("values", "grad"))}
        assert set(file.files) == {*expected, "answer.json"}
        for name, value in expected.items():
            assert file[name].dtype == np.float64
            np.testing.assert_array_equal(file[name], np.asarray(value), strict=True)
        rest = json.loads(file["answer.json"])
    assert rest["loss"] == answer["loss"] and rest["loss_terms"] == answer["loss_terms"]
    assert rest["gradients"]["params"]["h"]["W"]["shape"] == [2, 2]


def test_numbers_that_json_has_not_are_in_the_file_as_they_are(client: TestClient) -> None:
    layers = [{"op": "dense", "id": "d", "params": {"W": [[1e308], [1e308]], "b": [0.0]}}]
    network = {"layers": [*layers, {"op": "identity", "id": "i"}], "losses": [{"kind": "mse"}]}
    body = {"subject": {"network": network}, "inputs": {"x": [[10, -1], [-10, 1], [0, 0]]}, "targets": {"y": [[0]] * 3}}
    answer = client.post("/v1/inspect/gradients", json=body).json()
    assert answer["values"]["d"] == [[None], [None], [0.0]]
    file = np.load(io.BytesIO(client.post("/v1/inspect/gradients", json=body, headers=NPZ).content))
    np.testing.assert_array_equal(file["values/d"], [[np.inf], [-np.inf], [0.0]])


def test_every_question_has_an_example_that_is_answered_as_its_schema_says(client: TestClient, question: str) -> None:
    listed = {one["question"]: one for one in client.get("/v1/inspect").json()["data"]}[question]
    Draft202012Validator(listed["request"]).validate(listed["example"])
    answer = client.post(listed["path"], json=listed["example"])
    assert answer.status_code in (200, 201), answer.text
    if answer.status_code == 200:
        Draft202012Validator(listed["answer"]).validate(answer.json())
    assert ("application/x-npz" in listed["media_types"]) == (question in WITH_ARRAYS)


def test_the_documentation_shows_the_example_and_the_forms_of_every_question(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for listed in client.get("/v1/inspect").json()["data"]:
        document = paths[listed["path"]]["post"]
        assert document["requestBody"]["content"]["application/json"]["example"] == listed["example"]
        assert set(document["responses"]["200"]["content"]) == set(listed["media_types"])


def test_a_question_is_a_file_where_its_answer_holds_arrays_and_else_not_acceptable(
    client: TestClient, question: str
) -> None:
    got = client.post(f"/v1/inspect/{question}", json=dict(QUESTIONS[question].example), headers=NPZ)
    if question in WITH_ARRAYS:
        assert zipfile.ZipFile(io.BytesIO(got.content)).testzip() is None
        return
    assert got.status_code == 406
    assert got.json()["code"] == "no_arrays" and "no arrays" in got.json()["detail"]
    either = {"Accept": "application/x-npz, application/json;q=0.5"}
    assert client.post(f"/v1/inspect/{question}", json=dict(QUESTIONS[question].example), headers=either).is_success


def test_a_form_that_nothing_is_given_in_is_not_acceptable(client: TestClient) -> None:
    got = client.post("/v1/inspect/gradients", json=EXAMPLE, headers={"Accept": "text/html"})
    assert got.status_code == 406
    assert "application/json or application/x-npz" in got.json()["detail"]


def test_an_answer_too_large_for_json_is_whole_in_the_file_and_by_the_page(client: TestClient) -> None:
    body = a_wide_network()
    answer = client.post("/v1/inspect/gradients", json=body).json()
    assert answer["summarized"]["numbers"] > MOST_NUMBERS
    summary = answer["gradients"]["params"]["dense_1"]["W"]
    file = np.load(io.BytesIO(client.post("/v1/inspect/gradients", json=body, headers=NPZ).content))
    weights = file["gradients/params/dense_1/W"]
    assert list(weights.shape) == summary["shape"]
    assert np.linalg.norm(weights) == pytest.approx(summary["l2"], rel=1e-12)
    body["page"] = {"pointer": "/gradients/params/dense_1/W", "offset": 1000, "limit": 50}
    page = client.post("/v1/inspect/gradients", json=body).json()["page"]
    np.testing.assert_array_equal(page["entries"], weights.reshape(-1)[1000:1050])
    file = np.load(io.BytesIO(client.post("/v1/inspect/gradients", json=body, headers=NPZ).content))
    np.testing.assert_array_equal(file["gradients/params/dense_1/W"], page["entries"])
    assert json.loads(file["answer.json"])["page"]["next_offset"] == 1050


@pytest.mark.parametrize(
    ("page", "pointer"),
    [
        ({"pointer": "/gradients/params/nobody/W"}, "/page/pointer"),
        ({"pointer": "/loss"}, "/page/pointer"),
        ({"pointer": "/values/h", "offset": 2}, "/page/offset"),
        ({"pointer": "/values/h", "offset": -1}, "/page/offset"),
        ({"pointer": "/values/h", "limit": 0}, "/page/limit"),
        ({"pointer": "/values/h", "size": 1}, "/page/size"),
        ({}, "/page/pointer"),
    ],
)
def test_a_page_that_there_is_not_is_a_mistake_by_its_place(client: TestClient, page: Json, pointer: str) -> None:
    for headers in (NPZ, {}):
        got = client.post("/v1/inspect/gradients", json=EXAMPLE | {"page": page}, headers=headers)
        assert got.status_code == 422
        assert [error["pointer"] for error in got.json()["errors"]] == [pointer]


def test_a_file_is_made_piece_by_piece_and_equal_answers_give_equal_bytes() -> None:
    large = np.arange(3_000_000.0).reshape(3000, 1000).T
    arrays = {"/large": large, "/a~1b": np.array(np.nan), "/none": np.zeros((0, 2)), "/ids": np.array([2**62 + 1])}
    pieces = list(npz(b"{}", arrays))
    assert max(map(len, pieces)) < 1.1e6
    assert b"".join(pieces) == b"".join(npz(b"{}", arrays))
    with np.load(io.BytesIO(b"".join(pieces)), allow_pickle=False) as file:
        for pointer, array in arrays.items():
            np.testing.assert_array_equal(file[pointer[1:]], array, strict=True)


def test_an_array_that_could_only_be_pickled_is_none_of_a_file() -> None:
    with pytest.raises(TypeError, match="pickled"):
        list(npz(b"{}", {"/objects": np.array([None, "text"])}))


@pytest.mark.parametrize(
    ("pointer", "name"),
    [
        ("/gradients/params/h/W", "gradients/params/h/W"),
        ("/by_name/p~1q/~0", "by_name/p~1q/~0"),
        ("/columns/länge (cm)/0", "columns/länge (cm)/0"),
        ("/columns/../..", "columns/%2E%2E/%2E%2E"),
        ("/columns/c:\\x\x00", "columns/c%3A%5Cx%00"),
        ("/columns/100%/x.npy", "columns/100%25/x%2Enpy"),
        ("/columns//x", "columns/%/x"),
    ],
)
def test_no_name_in_a_file_leads_out_of_it(pointer: str, name: str) -> None:
    assert entry_name(pointer) == name
