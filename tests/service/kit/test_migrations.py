import threading

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from service.kit.database import Base, Database, open_database
from service.kit.features import load_tables
from service.kit.migrations import downgrade, is_current, latest, upgrade


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    load_tables()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_history_is_one_line() -> None:
    assert len(latest()) == 1


def test_up_down_and_up_again(empty_database_url: str) -> None:
    upgrade(empty_database_url)
    downgrade(empty_database_url, "base")
    database = open_database(empty_database_url)
    with database.engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
        assert not is_current(connection)
    upgrade(empty_database_url)
    with database.engine.connect() as connection:
        assert is_current(connection)
    database.close()


def test_many_who_migrate_at_once_wait_for_one_another(empty_database_url: str) -> None:
    failures: list[Exception] = []

    def migrate() -> None:
        try:
            upgrade(empty_database_url)
        except Exception as error:  # noqa: BLE001 -- a thread's failure would be lost
            failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    database = open_database(empty_database_url)
    with database.engine.connect() as connection:
        assert is_current(connection)
    database.close()


def test_migrating_a_current_database_changes_nothing(database_url: str) -> None:
    upgrade(database_url)
    upgrade(database_url)
