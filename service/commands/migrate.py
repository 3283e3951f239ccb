"""`python -m service migrate`: brings the database to the tables of this version."""

import sys

from sqlalchemy.exc import SQLAlchemyError

from service.kit.migrations import latest, upgrade
from service.settings import Settings


def main(settings: Settings) -> int:
    """Migrate; the exit status."""
    try:
        upgrade(settings.database_url)
    except (SQLAlchemyError, OSError) as error:
        print(f"backprop: cannot migrate the database: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    print(f"The database is at revision {', '.join(latest())}.")
    return 0
