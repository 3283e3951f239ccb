"""Databases and clients for all tests: each test has a database of its own, on SQLite and on a real Postgres.

`database` runs a test on both (ids "sqlite" and "postgres"). One Postgres serves a whole run of pytest, however many
processes xdist makes of it; it starts when first wanted, and stops with the run, even if the run is killed.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from hypothesis import settings as hypothesis_settings
from starlette.testclient import TestClient

from service.app import create_app
from service.kit.database import Database, open_database
from service.kit.migrations import upgrade
from service.settings import Settings

# A busy machine is no mistake of the code, and the same commit has to pass or fail the same way every time.
hypothesis_settings.register_profile("repository", deadline=None, derandomize=True)
hypothesis_settings.load_profile("repository")

_FOLDER = "BACKPROP_TEST_FOLDER"
_OWNER = "BACKPROP_TEST_OWNER"
_TEMPLATE = "migrated"


def pytest_configure(config: pytest.Config) -> None:
    """Agree on a folder with all xdist processes of this run: they inherit the variable."""
    if not hasattr(config, "workerinput"):
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="backprop-tests-")
        os.environ[_OWNER] = str(os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop Postgres, if this run has started it, and wait until nothing is left of it."""
    if hasattr(config, "workerinput"):
        return
    folder = Path(os.environ.pop(_FOLDER))
    keeper = folder / "keeper"
    if keeper.exists():
        os.kill(int(keeper.read_text()), signal.SIGTERM)
        _wait_until(lambda: not (folder / "postgres").exists())
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def sqlite_template() -> Path:
    """A migrated SQLite file, to be copied."""
    template = Path(os.environ[_FOLDER]) / "template.sqlite3"
    with _once("sqlite") as first:
        if first:
            upgrade(f"sqlite:///{template}")
    return template


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite file."""
    shutil.copy(sqlite_template, tmp_path / "backprop.sqlite3")
    return f"sqlite:///{tmp_path}/backprop.sqlite3"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The URL of a fresh, migrated Postgres database."""
    with postgres_database(_TEMPLATE) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, migrated database of the test's own, on each of the two.

    A test file for which the database does not matter overrides it by a fixture that returns `sqlite_url`.
    """
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The opened database of the test's own."""
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table, not even Alembic's."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.sqlite3"
    else:
        with postgres_database("template0") as url:
            yield url


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings that nothing in the environment changes, on the test's own database."""
    return Settings(database_url=database_url, workers=0)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """The application, without workers."""
    return create_app(settings)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A client of the running application."""
    with TestClient(app) as running:
        yield running


@contextmanager
def postgres_database(template: str) -> Iterator[str]:
    """A fresh database made from a template, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    folder = _postgres()
    with _administrator(folder) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _url(folder, name)
    with _administrator(folder) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _url(folder: Path, name: str) -> str:
    return f"postgresql://postgres@/{name}?host={folder}/postgres/socket"


@contextmanager
def _administrator(folder: Path) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(_url(folder, "postgres"), autocommit=True) as connection:
        yield connection


@contextmanager
def _once(mark: str) -> Iterator[bool]:
    """Whether this process is the first of the run to come here; the others wait until it is through."""
    folder = Path(os.environ[_FOLDER])
    with (folder / f"{mark}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / f"{mark}.done"
        yield not done.exists()
        done.touch()


def _postgres() -> Path:
    """The folder of the running server."""
    folder = Path(os.environ[_FOLDER])
    with _once("postgres") as first:
        if first:
            _start_postgres(folder)
            with _administrator(folder) as connection:
                connection.execute(f"CREATE DATABASE {_TEMPLATE}")
            upgrade(_url(folder, _TEMPLATE))
    return folder


def _start_postgres(folder: Path) -> None:
    """Start a keeper of a server, and wait until the server answers."""
    keeper = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("keep_postgres.py"), folder / "postgres", os.environ[_OWNER]],
        start_new_session=True,
    )
    (folder / "keeper").write_text(str(keeper.pid))
    _wait_until(lambda: keeper.poll() is not None or _answers(folder))
    if keeper.poll() is not None:
        raise RuntimeError("Postgres did not start.")
    # It is ended by its process id, by the first process of the run.
    keeper.returncode = 0


def _answers(folder: Path) -> bool:
    try:
        with _administrator(folder):
            return True
    except psycopg.OperationalError:
        return False


def _wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Return as soon as the condition holds.

    Raises TimeoutError when it never does.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("What a test waits for has not happened.")
        time.sleep(0.02)
