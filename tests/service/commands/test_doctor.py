import numpy as np
import pytest
from sqlalchemy import text

from service.commands import doctor, migrate
from service.commands.doctor import examine
from service.kit.database import Database, database_now
from service.kit.threads import VARIABLES
from service.settings import Settings
from service.worker.tables import WorkerRow


@pytest.fixture(autouse=True)
def one_blas_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `python -m service` sets it."""
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "1")


def advice(settings: Settings) -> dict[str, str]:
    return {finding.subject: finding.advice for finding in examine(settings) if finding.advice is not None}


def test_it_finds_nothing_wrong_with_a_running_service(settings: Settings, database: Database) -> None:
    with database.writing() as session:
        now = database_now(session)
        session.add(WorkerRow(id="w", host="here", pid=1, started_at=now, seen_at=now))
    assert advice(settings) == {}
    assert doctor.main(settings) == 0


def test_it_misses_a_worker(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(settings) == 1
    assert "BAD  workers     0 alive\n                 No job will start." in capsys.readouterr().out


def test_it_misses_migrations_until_they_are_made(empty_database_url: str) -> None:
    settings = Settings(database_url=empty_database_url)
    assert "Run: python -m service migrate" in advice(settings).values()
    assert migrate.main(settings) == 0
    assert list(advice(settings)) == ["workers"]


def test_it_tells_what_computes_here(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    doctor.main(settings)
    assert f"ok   numbers     NumPy {np.__version__}, " in capsys.readouterr().out


def test_it_sees_a_database_of_another_version(settings: Settings, database: Database) -> None:
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert list(advice(settings)) == ["migrations"]


def test_it_says_that_a_database_does_not_answer() -> None:
    assert list(advice(Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing"))) == ["database"]


def test_it_sees_that_threads_are_not_limited(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLES[0], "2")
    assert "threads" in advice(settings)
