"""The real service as processes of its own, and what one does with it over HTTP."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0

VARIABLES = {
    "BACKPROP_LEASE_SECONDS": "30",
    "BACKPROP_HEARTBEAT_SECONDS": "0.25",
    "BACKPROP_LOG_LEVEL": "warning",
    # Where nothing may be cached, every start compiles SQLAlchemy and all others anew: 2.4 s instead of 1.4 s.
    "PYTHONDONTWRITEBYTECODE": "",
}

# What was lost is found soon, and a job may be killed much more often than people would accept.
IMPATIENT = {"BACKPROP_LEASE_SECONDS": "1.5", "BACKPROP_MAX_LOSSES_WITHOUT_PROGRESS": "1000"}

Job = dict[str, Any]


def until(holds: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """The first true value; an error that says what was waited for if there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := holds():
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def children(pid: int) -> list[int]:
    """The processes that any thread of this one has started and that are not gone."""
    try:
        listed = [child for task in Path(f"/proc/{pid}/task").iterdir() for child in _children_of(task)]
    except OSError:
        return []
    return [child for child in listed if is_alive(child)]


def _children_of(task: Path) -> list[int]:
    try:
        return [int(child) for child in (task / "children").read_text().split()]
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Whether a process is there, and not only its exit status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def command(database_url: str, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    """`python -m service …` as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env={**os.environ, **VARIABLES, **variables, "BACKPROP_DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        text=True,
    )


def end(process: "subprocess.Popen[str]") -> None:
    """SIGTERM, and SIGKILL if that does not help."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@dataclass
class Event:
    """One server-sent event."""

    id: int
    kind: str
    data: dict[str, Any]


class Service:
    """`python -m service serve` on a free port, which can be killed and started again."""

    def __init__(
        self,
        database_url: str,
        *,
        workers: int = 1,
        arguments: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.database_url = database_url
        self._arguments = arguments or ("serve", "--port", "0", "--workers", str(workers))
        self._variables = variables or {}
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = command(self.database_url, *self._arguments, **self._variables)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Backprop Service: http://"), line
        self.http = httpx2.Client(base_url=line.split()[2].replace("0.0.0.0", "127.0.0.1"), timeout=70)

    def kill(self) -> None:
        """kill -9 of the API and nothing else; its workers have to see to themselves."""
        self.process.kill()
        self.process.wait()
        self.leave()

    def stop(self) -> float:
        """SIGTERM; the seconds until it was gone."""
        begun = time.monotonic()
        self.process.terminate()
        self.process.wait(30)
        self.leave()
        return time.monotonic() - begun

    def leave(self) -> None:
        """Close what this process holds of it."""
        self.http.close()
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def supervisors(self) -> list[int]:
        """Process ids of the supervisor: one, or none at the moment."""
        return children(self.process.pid)

    @property
    def runners(self) -> list[int]:
        """Process ids of all processes that train."""
        return [runner for supervisor in self.supervisors for runner in children(supervisor)]

    def post(self, path: str, body: Any = None) -> Any:
        """The answer to a POST that has to succeed."""
        answer = self.http.post(path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer to a GET that has to succeed."""
        answer = self.http.get(path, params=parameters, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def job(self, job_id: str) -> Job:
        """Where a job stands."""
        found: Job = self.get(f"/v1/jobs/{job_id}")
        return found

    def finished(self, job_id: str) -> Job:
        """The job once it is over, by long poll."""
        job: Job = until(lambda: _if_over(self.get(f"/v1/jobs/{job_id}", wait=20)), f"{job_id} is over")
        return job

    def reached(self, job_id: str, epoch: int) -> Job:
        """The job once it has come to this epoch, or is over."""

        def look() -> Job | None:
            job = self.job(job_id)
            return job if job["progress"]["epoch"] >= epoch or job["terminal"] else None

        job: Job = until(look, f"{job_id} in epoch {epoch}")
        return job

    def in_state(self, job_id: str, state: str) -> Job:
        """The job once it is in this state."""

        def look() -> Job | None:
            job = self.job(job_id)
            return job if job["state"] == state else None

        job: Job = until(look, f"{job_id} {state}")
        return job

    def weights(self, job_id: str) -> dict[int, tuple[str, str]]:
        """Digests of weights and memory of every checkpoint that is kept."""
        kept = self.get(f"/v1/jobs/{job_id}/checkpoints")["data"]
        return {row["epoch"]: (row["weights_sha256"], row["memory_sha256"]) for row in kept}

    def events(self, job_id: str, last: int | None = None) -> Generator[Event]:
        """The job's server-sent events, live, until the server closes or the caller leaves."""
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        with self.http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
            assert answer.status_code == 200
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                elif "data" in fields:
                    yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                    fields = {}


def _if_over(job: Job) -> Job | None:
    return job if job["terminal"] else None


@contextmanager
def serving(database_url: str, *, workers: int = 1, variables: Mapping[str, str] | None = None) -> Iterator[Service]:
    """A running service, gone after the block with everything it started."""
    service = Service(database_url, workers=workers, variables=variables)
    try:
        yield service
    finally:
        end(service.process)
        service.leave()
