"""The base of all tables: every constraint has a name that follows from what it constrains."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

# Without names SQLite cannot drop a constraint, and a migration back would have to guess Postgres' own.
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """What every table derives from."""

    metadata = MetaData(naming_convention=_NAMES)
