"""DuckDB, locked: it reads one file, and nothing else of the machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np

MEMORY_LIMIT = "1GB"


@contextmanager
def engine_for(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in memory whose statements can open this file only, and that cannot be set otherwise any more."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": "1",
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": "",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_persistent_secrets": "false",
        "python_enable_replacements": "false",
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        connection.execute("SET allowed_paths = [$path]", {"path": str(path)})
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def texts(connection: duckdb.DuckDBPyConnection, query: str) -> list[str | None]:
    """The only column of a query, which holds texts and is called x."""
    cells = connection.execute(query).fetchnumpy()["x"]
    found = np.ma.getdata(cells)
    # Not np.ma.filled: given None, it fills in a text of its own, a question mark.
    found[np.ma.getmaskarray(cells)] = None
    return list(found)
