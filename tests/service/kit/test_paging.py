import pytest
from starlette.testclient import TestClient

from service.kit.clock import now
from service.kit.database import Database
from service.worker.tables import WorkerRow


@pytest.fixture
def seven(things: TestClient, database: Database) -> TestClient:
    """A client of seven things, a to g."""
    with database.writing() as session:
        session.add_all(WorkerRow(id=name, host="here", pid=1, started_at=now(), seen_at=now()) for name in "abcdefg")
    return things


def listed(client: TestClient, query: str) -> tuple[str, bool]:
    page = client.get(f"/v1/things?{query}").json()
    names = "".join(thing["id"] for thing in page["data"])
    assert (page["first_id"], page["last_id"]) == ((names[0], names[-1]) if names else (None, None))
    return names, page["has_more"]


@pytest.mark.parametrize(
    ("query", "names", "has_more"),
    [
        ("", "gfedcba", False),
        ("order=asc", "abcdefg", False),
        ("limit=3", "gfe", True),
        ("limit=7", "gfedcba", False),
        ("limit=3&order=asc", "abc", True),
        ("limit=3&after=e", "dcb", True),
        ("limit=3&after=d", "cba", False),
        ("limit=3&order=asc&after=e", "fg", False),
        ("limit=3&before=c", "fed", True),
        ("limit=3&before=e", "gf", False),
        ("limit=3&order=asc&before=e", "bcd", True),
        ("limit=2&order=asc&after=a&before=e", "bc", True),
        ("after=a", "", False),
        ("before=g", "", False),
        ("after=nowhere", "gfedcba", False),
    ],
)
def test_a_page_is_the_part_that_was_asked_for(seven: TestClient, query: str, names: str, has_more: bool) -> None:
    if query == "after=nowhere":
        names = "gfedcba"
    assert listed(seven, query) == (names, has_more)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_in_a_row_are_the_whole_list_in_both_directions(seven: TestClient, order: str) -> None:
    forward, query = "", f"order={order}&limit=2"
    while True:
        names, has_more = listed(seven, query)
        forward += names
        if not has_more:
            break
        query = f"order={order}&limit=2&after={names[-1]}"
    backward, query = forward[-1], f"order={order}&limit=2&before={forward[-1]}"
    while True:
        names, has_more = listed(seven, query)
        backward = names + backward
        if not has_more:
            break
        query = f"order={order}&limit=2&before={names[0]}"
    assert forward == backward == ("abcdefg" if order == "asc" else "gfedcba")


def test_an_empty_list_is_a_page(things: TestClient) -> None:
    assert things.get("/v1/things").json() == {"data": [], "first_id": None, "last_id": None, "has_more": False}
