from sqlalchemy import text
from starlette.testclient import TestClient

from service.kit.database import Database, database_now
from service.worker.tables import WorkerRow


def a_worker(database: Database) -> None:
    with database.writing() as session:
        now = database_now(session)
        session.add(WorkerRow(id="w", host="here", pid=1, started_at=now, seen_at=now))


def test_the_service_is_alive_without_any_worker(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"live": True}


def test_without_a_worker_it_is_not_ready(client: TestClient) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {"ready": False, "database": True, "migrations": True, "worker": False, "stopping": False}


def test_with_a_living_worker_it_is_ready(client: TestClient, database: Database) -> None:
    a_worker(database)
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["ready"] is True


def test_a_worker_not_heard_of_within_the_lease_is_no_worker(client: TestClient, database: Database) -> None:
    a_worker(database)
    with database.writing() as session:
        session.execute(text("UPDATE workers SET seen_at = seen_at - 60000000"))
    assert client.get("/health/ready").json()["worker"] is False


def test_a_schema_of_another_version_is_not_ready(client: TestClient, database: Database) -> None:
    a_worker(database)
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert client.get("/health/ready").json() == {
        "ready": False,
        "database": True,
        "migrations": False,
        "worker": False,
        "stopping": False,
    }
