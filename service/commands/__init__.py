"""The command line: what is asked for, by which settings, and what happens if one of them is wrong."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from pydantic import ValidationError

from service.commands.parent import stop_with_parent
from service.kit.logs import set_up_logging
from service.settings import Settings
from service.version import VERSION

# By name, so that a command imports only what it needs: a worker should be training, not loading a web server.
_MODULES = {
    "serve": "service.commands.serve",
    "worker": "service.worker.supervisor",
    "migrate": "service.commands.migrate",
    "doctor": "service.commands.doctor",
}


class Command(Protocol):
    """A module that is a command."""

    def main(self, settings: Settings) -> int | None:
        """Do it, and return the exit status; None is success."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command to its end, and return the exit status."""
    given = vars(_parser().parse_args(arguments))
    name: str = given.pop("command")
    parent_pipe: int | None = given.pop("parent_pipe", None)
    try:
        settings = Settings(**{field: value for field, value in given.items() if value is not None})
    except ValidationError as error:
        return _settings_are_wrong(error)
    set_up_logging(settings.log_level, settings.log_format)
    if parent_pipe is not None:
        stop_with_parent(parent_pipe)
    command = cast(Command, importlib.import_module(_MODULES[name]))
    return command.main(settings) or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service", description="Backprop Service")
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="migrate, serve HTTP, and train on this machine")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (8000); 0 takes a free one")
    serve.add_argument("--workers", type=int, help="jobs that train at once (one per CPU); 0 leaves it to others")

    worker = commands.add_parser("worker", help="train on this machine for a service on the same database")
    worker.add_argument("--workers", type=int, help="jobs that train at once (one per CPU)")
    worker.add_argument("--parent-pipe", type=int, help=argparse.SUPPRESS)

    commands.add_parser("migrate", help="bring the database to the tables of this version")
    commands.add_parser("doctor", help="check database, migrations, workers, clock and disk")
    return parser


def _settings_are_wrong(error: ValidationError) -> int:
    for details in error.errors():
        name = "BACKPROP_" + "_".join(str(step) for step in details["loc"]).upper()
        print(f"backprop: {name}: {details['msg'].removeprefix('Value error, ')}", file=sys.stderr)
    return 2
