"""The SQLite library: the newest there is, since that of common Pythons (3.40) can corrupt a database when its log
is reset. On a platform for which `pysqlite3` has no wheel Python's own serves, and `doctor` tells if it is too old."""

try:
    import pysqlite3 as sqlite
except ModuleNotFoundError:
    import sqlite3 as sqlite

__all__ = ["sqlite"]
