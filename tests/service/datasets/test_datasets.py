"""Data sets over HTTP."""

import io
import json
import sys
from collections.abc import Iterator
from threading import BoundedSemaphore
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select, update
from starlette.testclient import TestClient

from core.data.rows import rows_of
from core.data.samples import draw_sample
from service.datasets import needs
from service.datasets.files import apart
from service.datasets.ids import DATASET_IDS
from service.datasets.tables import DatasetRow
from service.datasets.use_cases import load_table
from service.kit.blobs import BlobRow
from service.kit.database import Database

CSV = "island,bill,sex\nDream,39.1,male\nDream,NA,female\nBiscoe,40.25,\n"


def upload(client: TestClient, content: str | bytes, filename: str = "birds.csv", **fields: str) -> Any:
    return client.post("/v1/datasets", files={"file": (filename, content)}, data=fields)


def mistakes(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [(error["pointer"], error["detail"]) for error in answer.json()["errors"]]


def blob_count(database: Database) -> int:
    with database.reading() as session:
        return session.scalars(select(func.count()).select_from(BlobRow)).one()


def test_an_uploaded_file_is_described_and_can_be_read_again(client: TestClient) -> None:
    answer = upload(client, CSV)
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"/v1/datasets/{made['id']}"
    assert (made["name"], made["rows"], made["column_count"]) == ("birds", 3, 3)
    assert [(column["name"], column["kind"], column["missing"]) for column in made["columns"]] == [
        ("island", "category", 0), ("bill", "number", 1), ("sex", "category", 1),
    ]  # fmt: skip
    assert made["columns"][0]["categories"] == ["Biscoe", "Dream"]
    assert made["columns"][1]["statistics"]["max"] == 40.25
    assert made["source"]["missing_texts"] == {"NA": 1}
    assert client.get(answer.headers["location"]).json() == made
    rows = client.get(f"/v1/datasets/{made['id']}/rows").json()
    assert rows["data"][1:] == [
        {"island": "Dream", "bill": None, "sex": "female"},
        {"island": "Biscoe", "bill": 40.25, "sex": None},
    ]


def test_rows_are_paged_by_their_numbers(client: TestClient) -> None:
    made = client.post("/v1/datasets", json={"columns": ["x"], "data": [[row] for row in range(5)]}).json()
    at = f"/v1/datasets/{made['id']}/rows"
    first = client.get(at, params={"limit": 2}).json()
    assert first == {"data": [{"x": 0}, {"x": 1}], "first_id": 0, "last_id": 1, "has_more": True}
    rest = client.get(at, params={"after": 1, "limit": 200}).json()
    assert rest == {"data": [{"x": 2}, {"x": 3}, {"x": 4}], "first_id": 2, "last_id": 4, "has_more": False}
    empty: dict[str, Any] = {"data": [], "first_id": None, "last_id": None, "has_more": False}
    assert client.get(at, params={"after": 4}).json() == empty
    assert client.get(at, params={"after": 2**31}).json() == empty
    for wrong in ("limit=0", "limit=201", "after=-1", "after=x", f"after={2**63}", "limit=1&foo=1"):
        assert mistakes(client.get(f"{at}?{wrong}"))


def test_inline_rows_columns_and_a_file_make_the_same_data_set(client: TestClient) -> None:
    bodies: list[dict[str, Any]] = [
        {"name": "x", "rows": [{"a": 1, "b": "u"}, {"a": None, "b": "v"}]},
        {"columns": ["a", "b"], "data": [[1.0, "u"], [None, "v"]]},
    ]
    made = [client.post("/v1/datasets", json=body).json() for body in bodies]
    made.append(upload(client, "a,b\n1,u\n,v\n", name="y").json())
    assert len({dataset["sha256"] for dataset in made}) == 1
    assert [dataset["name"] for dataset in made] == ["x", "inline", "y"]


def test_the_same_content_twice_is_two_data_sets_and_one_blob(client: TestClient, database: Database) -> None:
    first, second = (upload(client, CSV).json() for _ in range(2))
    assert first["id"] != second["id"]
    assert first["sha256"] == second["sha256"]
    assert blob_count(database) == 1
    assert client.delete(f"/v1/datasets/{first['id']}").status_code == 204
    assert client.get(f"/v1/datasets/{second['id']}/rows").json()["data"]
    assert client.delete(f"/v1/datasets/{second['id']}").status_code == 204
    assert blob_count(database) == 0


def test_a_deleted_data_set_is_gone(client: TestClient) -> None:
    at = f"/v1/datasets/{upload(client, CSV).json()['id']}"
    assert client.delete(at).status_code == 204
    for answer in (client.get(at), client.get(f"{at}/rows"), client.delete(at)):
        assert answer.status_code == 404
        assert answer.json()["code"] == "dataset_not_found"
    assert client.get("/v1/datasets").json()["data"] == []


@pytest.mark.parametrize(
    "dataset_id", ["ds_", "ds_1", "job_01jd0x9q0v5a3n8k5d9gq2h7rm", "+1", "1" * 5000, "%00", "ds_%ff"]
)
def test_what_is_no_id_names_nothing(client: TestClient, dataset_id: str) -> None:
    assert client.get(f"/v1/datasets/{dataset_id}").status_code == 404


@pytest.fixture
def needed() -> Iterator[set[str]]:
    """Ids of data sets that something needs for the time of a test."""
    ids: set[str] = set()

    def need(session: object, dataset_id: str) -> str | None:
        return "job_x" if dataset_id in ids else None

    needs.tells_need(need)
    yield ids
    needs._needs.remove(need)


def test_a_data_set_that_a_job_needs_cannot_be_deleted(client: TestClient, needed: set[str]) -> None:
    made = upload(client, CSV).json()
    needed.add(made["id"])
    answer = client.delete(f"/v1/datasets/{made['id']}")
    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["needed_by"]) == ("dataset_in_use", "job_x")
    assert client.get(f"/v1/datasets/{made['id']}").status_code == 200


def test_a_job_reads_the_table_that_was_stored(client: TestClient, database: Database) -> None:
    made = client.post("/v1/datasets", json={"sample": "penguins"}).json()
    with database.reading() as session:
        table = load_table(session, DATASET_IDS.type(made["id"]))
    expected = draw_sample("penguins")
    assert rows_of(table, 0, 344) == rows_of(expected, 0, 344)


def npz_of(**arrays: Any) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=True, **arrays)
    return packed.getvalue()


def test_images_are_shown_as_a_group_and_the_answers_stay_bounded(client: TestClient) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 28, 28)).astype(np.uint8)
    posted = upload(client, npz_of(image=images, digit=np.arange(30) % 3), "images.npz")
    assert posted.status_code == 201, posted.text
    seen = client.get(f"/v1/datasets/{posted.json()['id']}")
    (group,) = seen.json()["groups"]
    assert (group["name"], group["shape"], len(group["columns"])) == ("image", [28, 28], 784)
    assert group["columns"][29] == "image_1_1"
    assert len(seen.content) < 784 * 400
    # A mistake that all 784 columns have is told of a hundred at most.
    job = {"dataset": posted.json()["id"], "target": "digit", "features": ["image"], "network": {
        "inputs": {"x": {"shape": [28, 28], "dtype": "int"}}, "layers": [{"op": "flatten"}, {"op": "dense"}],
    }}  # fmt: skip
    float_images = upload(client, npz_of(image=images / 256 - 0.5, digit=np.arange(30) % 3), "images.npz").json()
    refused = client.post("/v1/jobs", json={**job, "dataset": float_images["id"]})
    assert refused.status_code == 422
    assert {error["pointer"] for error in refused.json()["errors"]} == {"/features/0"}
    assert len(refused.content) < 100_000


def test_a_data_set_from_before_there_were_groups_has_none(client: TestClient, database: Database) -> None:
    made = client.post("/v1/datasets", json={"sample": "xor"}).json()
    with database.writing() as session:
        session.execute(update(DatasetRow).values(groups=None))
    assert client.get(f"/v1/datasets/{made['id']}").json()["groups"] == []


def test_samples_with_groups_tell_them_in_the_list_and_have_them(client: TestClient) -> None:
    samples = {sample["name"]: sample for sample in client.get("/v1/samples").json()["data"]}
    shapes = {name: [(group["name"], group["shape"]) for group in sample["groups"]] for name, sample in samples.items()}
    assert shapes["adding"] == [("sequence", [20, 2])]
    assert shapes["counting"] == [("sequence", [20])]
    assert shapes["digits"] == [("image", [1, 8, 8])]
    assert shapes["iris"] == []
    for name in ("adding", "counting", "digits"):
        assert client.post("/v1/datasets/preview", json={"sample": name}).json()["groups"] == samples[name]["groups"]
        assert client.post("/v1/datasets", json={"sample": name}).json()["groups"] == samples[name]["groups"]


def test_the_list_goes_from_new_to_old_and_on_from_any_id(client: TestClient) -> None:
    ids = [client.post("/v1/datasets", json={"sample": "xor", "seed": seed}).json()["id"] for seed in range(3)]
    first = client.get("/v1/datasets?limit=2").json()
    assert [dataset["id"] for dataset in first["data"]] == ids[:0:-1]
    assert first["has_more"]
    assert "columns" not in first["data"][0]
    rest = client.get("/v1/datasets", params={"after": first["last_id"]}).json()
    assert [dataset["id"] for dataset in rest["data"]] == ids[:1]


def test_samples_are_listed_and_each_can_be_had(client: TestClient) -> None:
    samples = client.get("/v1/samples").json()["data"]
    assert {
        "xor",
        "circles",
        "moons",
        "spirals",
        "gaussians",
        "linear",
        "sine",
        "adding",
        "counting",
        "digits",
        "iris",
        "penguins",
        "cars",
    } <= {sample["name"] for sample in samples}
    for sample in samples:
        made = client.post("/v1/datasets/preview", json={"sample": sample["name"]}).json()
        assert made["rows"] == sample["rows"]
        assert sample["target"] in [column["name"] for column in made["columns"]]
        assert (sample["licence"] is None) == (sample["origin"] == "generated")


def test_a_generated_sample_says_how_it_was_drawn(client: TestClient) -> None:
    body = {"sample": "spirals", "rows": 50, "noise": 0.5, "seed": 7}
    first, second = (client.post("/v1/datasets", json=body).json() for _ in range(2))
    assert first["sha256"] == second["sha256"]
    source = first["source"]
    assert (first["rows"], source["sample"], source["noise"], source["seed"]) == (50, "spirals", 0.5, 7)


def test_a_preview_stores_nothing(client: TestClient, database: Database) -> None:
    answer = client.post("/v1/datasets/preview", files={"file": ("b.csv", CSV)}, data={"kinds": '{"bill": "category"}'})
    assert answer.status_code == 200
    preview = answer.json()
    assert preview["columns"][1]["categories"] == ["39.1", "40.25"]
    assert preview["data"][0] == {"island": "Dream", "bill": "39.1", "sex": "male"}
    assert client.get("/v1/datasets").json()["data"] == []
    assert blob_count(database) == 0


def test_fields_of_the_form_decide(client: TestClient) -> None:
    fields = {"name": "mine", "format": "csv", "delimiter": "tab", "header": "false", "kinds": '{"column_1": "text"}'}
    made = upload(client, "1\t2\n3\t4\n", "x.json", **fields).json()
    assert made["name"] == "mine"
    assert [(column["name"], column["kind"]) for column in made["columns"]] == [
        ("column_1", "text"),
        ("column_2", "number"),
    ]


def test_a_retried_upload_gets_the_first_answer(client: TestClient) -> None:
    first, second = (
        client.post("/v1/datasets", files={"file": ("b.csv", CSV)}, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["location"] == first.headers["location"]
    assert len(client.get("/v1/datasets").json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["/rows"]),
        ([], [""]),
        ({"rows": []}, ["/rows"]),
        ({"rows": [1]}, ["/rows/0"]),
        ({"rows": [{}]}, ["/rows/0"]),
        ({"rows": [{"a": 1}], "colour": 1}, ["/colour"]),
        ({"rows": [{"a": 1}], "name": ""}, ["/name"]),
        ({"rows": [{"a": 1}], "name": 5, "kinds": {"a": "float"}}, ["/name", "/kinds/a"]),
        ({"rows": [{"a": 1}], "kinds": {"b": "number"}}, ["/kinds/b"]),
        ({"rows": [{"a": 1}, {"a": 2, "b": 3}, {}]}, ["/rows/1/b", "/rows/2/a"]),
        ({"rows": [{"a": 1}, {"a": True}, {"a": "1.5"}]}, ["/rows/1/a", "/rows/2/a"]),
        ({"rows": [{"a": [1]}, {"a": {}}]}, ["/rows/0/a", "/rows/1/a"]),
        ({"columns": ["a"], "data": []}, ["/data"]),
        ({"columns": ["a"]}, ["/data"]),
        ({"data": [[1]]}, ["/columns"]),
        ({"columns": ["a", "a"], "data": [[1, 2]]}, ["/columns"]),
        ({"columns": ["a", "b"], "data": [[1, 2], [3], [4, 5, 6]]}, ["/data/1", "/data/2"]),
        ({"columns": [1], "data": [[1]]}, ["/columns/0"]),
        ({"columns": ["a"], "data": [1]}, ["/data/0"]),
        ({"columns": [f"c{at}" for at in range(100_000)], "data": [[1]]}, ["/columns", "/data/0"]),
        ({"sample": "nope"}, ["/sample"]),
        ({"sample": "xor", "rows": 0, "noise": -1, "seed": -1}, ["/noise", "/rows", "/seed"]),
        ({"sample": "xor", "rows": 10**9}, ["/rows"]),
        ({"sample": "xor", "rows": True, "noise": "1.5"}, ["/noise", "/rows"]),
        ({"sample": "iris", "rows": 10}, ["/rows"]),
        ({"sample": "xor", "columns": ["a"]}, ["/columns"]),
    ],
)
def test_a_mistake_in_a_json_body_is_named_and_nothing_is_stored(
    client: TestClient, body: Any, expected: list[str]
) -> None:
    assert sorted(place for place, _ in mistakes(client.post("/v1/datasets", json=body))) == sorted(expected)
    assert client.get("/v1/datasets").json()["data"] == []


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"rows": [{"a": NaN}]}', 422),
        (b'{"rows": [{"a": 1e999}]}', 422),
        (b'{"rows": [{"a": 9223372036854775808}]}', 422),
        (b'{"rows": [{"a": "\\ud800"}]}', 422),
        (b'{"rows": [{"a": "\\u0000"}]}', 422),
        (b'{"rows": [{"\\u0000": 1}]}', 422),
        (b'{"rows": [{"a": 1, "a": 2}]}', 422),
        (b'{"sample": "xor", "seed": 9223372036854775808}', 422),
        (b'{"rows": [{"a": 1}], "name": "\\u0001"}', 422),
    ],
)
def test_json_that_no_database_could_keep_is_refused(client: TestClient, raw: bytes, status: int) -> None:
    answer = client.post("/v1/datasets", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert client.get("/v1/datasets").json()["data"] == []


def test_a_mistake_in_a_file_is_named_and_nothing_is_stored(client: TestClient, database: Database) -> None:
    assert mistakes(upload(client, "a,a\n1,2\n")) == [("/file", "columns 1 and 2 have the same name")]
    assert mistakes(upload(client, "")) == [("/file", "is empty")]
    assert mistakes(upload(client, "a,b\n1,2\n", kinds='{"c": "text"}')) == [("/kinds/c", "there is no such column")]
    assert client.get("/v1/datasets").json()["data"] == []
    assert blob_count(database) == 0


def test_all_mistakes_in_a_form_are_named_at_once(client: TestClient) -> None:
    fields = {
        "format": "xls",
        "delimiter": "and",
        "header": "maybe",
        "kinds": '{"a": "float"}',
        "colour": "red",
        "name": "",
    }
    told = mistakes(upload(client, CSV, **fields))
    assert sorted(place for place, _ in told) == ["/colour", "/delimiter", "/format", "/header", "/kinds/a", "/name"]
    assert mistakes(upload(client, CSV, kinds="{")) == [
        ("/kinds", 'This field holds JSON, such as {"zip_code": "category"}.')
    ]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"data": {"file": "a,b"}, "files": {"other": b"x"}}, ["/file", "/other"]),
        ({"files": [("name", ("x.csv", b"a"))]}, ["/file", "/name"]),
        ({"files": [("file", ("x.csv", CSV.encode()))], "data": {"header": ["true", "true"]}}, ["/header"]),
    ],
)
def test_a_form_without_a_proper_file_is_refused(client: TestClient, form: dict[str, Any], expected: list[str]) -> None:
    assert [place for place, _ in mistakes(client.post("/v1/datasets", **form))] == expected


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("text/csv", 415),
        ("", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=x", 400),
    ],
)
def test_another_kind_of_body_is_refused(client: TestClient, content_type: str, status: int) -> None:
    answer = client.post("/v1/datasets", content=b"a,b\n1,2\n", headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_two_files_in_a_form_are_refused(client: TestClient) -> None:
    files = [("file", ("x.csv", CSV)), ("file", ("y.csv", CSV))]
    assert client.post("/v1/datasets", files=files).status_code == 400


def test_a_file_name_is_only_a_name(client: TestClient) -> None:
    made = upload(client, CSV, filename="../../etc/passwd.csv").json()
    assert (made["name"], made["source"]["filename"]) == ("passwd", "passwd.csv")


def test_a_file_that_takes_too_long_to_read_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "SECONDS_TO_READ", 0.01)
    assert mistakes(upload(client, CSV)) == [("/file", "takes longer than 0.01 seconds to read")]


def test_a_file_that_brings_its_reader_down_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert [place for place, _ in mistakes(upload(client, CSV))] == ["/file"]


def test_when_too_many_files_wait_to_be_read_the_next_is_asked_to_come_again(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "_places", BoundedSemaphore(1))
    with apart._places:
        answer = upload(client, CSV)
    assert (answer.status_code, answer.json()["code"]) == (503, "readers_busy")
    assert int(answer.headers["retry-after"]) > 0
    assert upload(client, CSV).status_code == 201


def test_a_file_of_many_columns_is_described(client: TestClient) -> None:
    names = [f"pixel_{at}" for at in range(785)]
    lines = [",".join(names), *(",".join(map(str, row)) for row in np.arange(785 * 20).reshape(20, 785))]
    made = upload(client, "\n".join(lines)).json()
    assert made["column_count"] == 785
    assert json.dumps(made["columns"][784]["statistics"]) == json.dumps(
        {
            "min": 784.0,
            "max": 15699.0,
            "mean": 8241.5,
            "median": 8241.5,
            "std": made["columns"][784]["statistics"]["std"],
            "integers": True,
        }
    )
