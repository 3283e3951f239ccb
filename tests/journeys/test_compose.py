"""The very commands of docker-compose.yml, run as plain processes on a real Postgres."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ruamel.yaml import YAML

from tests.journeys.jobs import a_dataset, a_job
from tests.journeys.running import ROOT, Service, command, end, until

SERVICES = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]


def arguments_of(name: str) -> list[str]:
    """What follows `python -m service`; the port is a free one, since nothing shields the test's from others."""
    python, _, module, *arguments = SERVICES[name]["command"]
    assert (python, module) == ("python", "service")
    return ["0" if argument == "8000" else argument for argument in arguments]


def variables_of(name: str) -> dict[str, str]:
    """The environment of a container, but for the address of the database."""
    return {
        variable: str(value) for variable, value in SERVICES[name]["environment"].items() if "DATABASE" not in variable
    }


@contextmanager
def composed(database_url: str, *, workers: int) -> Iterator[Service]:
    """The API and so many worker containers' commands."""
    with ExitStack() as stack:
        api = Service(database_url, arguments=arguments_of("api"), variables=variables_of("api"))
        stack.callback(api.leave)
        stack.callback(end, api.process)
        for _ in range(workers):
            stack.callback(end, command(database_url, *arguments_of("worker"), **variables_of("worker")))
        yield api


def test_the_api_without_workers_waits_and_two_workers_train_two_jobs_at_once(postgres_url: str) -> None:
    with composed(postgres_url, workers=2) as api:
        dataset = a_dataset(api)
        jobs = [a_job(api, dataset, epochs=40) for _ in range(2)]
        until(lambda: all(api.job(job)["state"] != "queued" for job in jobs), "both jobs have a worker")
        states: list[dict[str, Any]] = [api.finished(job) for job in jobs]
        assert [job["state"] for job in states] == ["succeeded", "succeeded"]
        assert api.weights(jobs[0]) == api.weights(jobs[1])
        assert api.supervisors == []
