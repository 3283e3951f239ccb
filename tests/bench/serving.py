"""Latency of the API, idle and while a job trains on each core.

    make bench-serve

One client with one connection asks for liveness and for a prediction in turn; the table shows milliseconds.
"""

import http.client
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.demo import Client
from tests.bench.quality import started

REQUESTS = 2000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server, client = started(Path(folder))
        try:
            print(table(client))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(10)


def table(client: Client) -> str:
    """Both requests, idle and busy, as a Markdown table."""
    dataset = client.post("/v1/datasets", {"sample": "digits"})
    job = client.post("/v1/jobs", {"dataset": dataset["id"], "target": "digit", "epochs": 5})
    job = client.get(f"/v1/jobs/{job['id']}?wait=60")
    row = client.get(f"/v1/datasets/{dataset['id']}/rows?limit=1")["data"][0]
    row.pop("digit")
    body = json.dumps({"rows": [row]})
    questions: dict[str, Callable[[http.client.HTTPConnection], None]] = {
        "GET /health/live": lambda connection: ask(connection, "GET", "/health/live"),
        "POST …/predict, one row": lambda connection: ask(
            connection, "POST", f"/v1/models/{job['model']}/predict", body
        ),
    }
    idle = {name: latencies(client, question) for name, question in questions.items()}
    jobs = keep_busy(client, dataset["id"])
    busy = {name: latencies(client, question) for name, question in questions.items()}
    states = [client.get(f"/v1/jobs/{one['id']}")["state"] for one in jobs]
    assert states == ["running"] * len(jobs), f"the jobs did not last: {states}"
    lines = ["| request | idle p50 | idle p99 | training p50 | training p99 |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {percentiles(idle[name])} | {percentiles(busy[name])} |" for name in questions]
    return "\n".join(lines)


def keep_busy(client: Client, dataset: str) -> list[dict[str, Any]]:
    """One long job for each core, once all of them are running."""
    layers = [
        {"op": "dense", "units": 512},
        {"op": "relu"},
        {"op": "dense", "units": 512},
        {"op": "relu"},
        {"op": "dense"},
    ]
    description = {"dataset": dataset, "target": "digit", "epochs": 100_000, "network": {"layers": layers}}
    jobs = [client.post("/v1/jobs", description) for _ in range(os.cpu_count() or 1)]
    for job in jobs:
        while client.get(f"/v1/jobs/{job['id']}")["progress"]["epoch"] < 1:
            time.sleep(0.05)
    return jobs


def latencies(client: Client, question: Callable[[http.client.HTTPConnection], None]) -> list[float]:
    """Milliseconds of each request after a warm-up, over one kept connection."""
    connection = http.client.HTTPConnection(client.base.removeprefix("http://"))
    for _ in range(50):
        question(connection)
    taken = []
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        question(connection)
        taken.append(1000 * (time.perf_counter() - begun))
    return taken


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None) -> None:
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content


def percentiles(taken: list[float]) -> str:
    return f"{statistics.median(taken):.2f} | {statistics.quantiles(taken, n=100)[98]:.2f}"


if __name__ == "__main__":
    main()
