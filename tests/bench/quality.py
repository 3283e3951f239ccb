"""Test scores with nothing given but data set and target, beside scikit-learn's and PyTorch's networks.

    make bench-quality

Ours goes the whole way over HTTP: upload, train with seeds 0 to 4, evaluate on the test rows. The peers get the
same rows standardized and one-hot encoded, targets of regressions too, and their best settings of
`tests/quality/reference_scores.json`. A set passes when our mean reaches its bar.
"""

import csv
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.demo import Client

ROOT = Path(__file__).resolve().parents[2]
SETS = ROOT / "tests" / "quality"
SEEDS = range(5)

Floats = NDArray[np.float64]
Peer = Callable[["Prepared", int], Floats]


def main() -> int:
    """Print the table; the exit status is 0 if every mean reaches its bar."""
    references = json.loads((SETS / "reference_scores.json").read_text())["sets"]
    print("| set | score | ours | scikit-learn | torch | bar | stretch | |\n|---|---|---|---|---|---|---|---|")
    reached = True
    with tempfile.TemporaryDirectory() as folder:
        server, client = started(Path(folder))
        try:
            for name, reference in references.items():
                bar = reference["bar"]
                scores = ours(client, SETS / name, bar["metric"])
                higher = bar["metric"] == "accuracy"
                mean = statistics.mean(scores)
                passes = mean >= bar["bar"] if higher else mean <= bar["bar"]
                reached &= passes
                peers = [spread(peer_scores(peer, SETS / name, bar["metric"])) for peer in (scikit_learn, torch)]
                cells = [
                    name,
                    bar["metric"],
                    spread(scores),
                    *peers,
                    bar["bar"],
                    bar["stretch"],
                    "yes" if passes else "NO",
                ]
                print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(10)
    return 0 if reached else 1


def spread(scores: list[float] | None) -> str:
    """Mean ± standard deviation; a dash for a peer that is not installed."""
    return f"{statistics.mean(scores):.4f} ± {statistics.pstdev(scores):.4f}" if scores else "–"


def started(folder: Path) -> tuple["subprocess.Popen[bytes]", Client]:
    """A server with its workers on a database of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"BACKPROP_DATABASE_URL": f"sqlite:///{folder}/quality.sqlite3"}
    log = folder / "server.log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "service", "serve", "--port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
    client = Client(f"http://127.0.0.1:{port}")
    client.wait_until_ready(server, log)
    return server, client


def ours(client: Client, folder: Path, metric: str) -> list[float]:
    """Our test score for each seed; all jobs are posted at once and run side by side."""
    training, test = client.upload(folder / "train.csv"), client.upload(folder / "test.csv")
    question = {"dataset": training["id"], "target": "target"}
    jobs = [client.post("/v1/jobs", question | {"seed": seed}) for seed in SEEDS]
    scores = []
    for accepted in jobs:
        job = accepted
        while not job["terminal"]:
            job = client.get(f"/v1/jobs/{job['id']}?wait=30")
        answer = client.post(f"/v1/models/{job['model']}/evaluate", {"dataset": test["id"]})
        scores.append(float(answer["metrics"][metric]))
    return scores


class Prepared:
    """Rows of a set as arrays: numbers median-imputed, texts one-hot, all standardized on the training rows."""

    def __init__(self, folder: Path, metric: str) -> None:
        training, test = (list(csv.DictReader((folder / f"{part}.csv").open())) for part in ("train", "test"))
        *features, target = training[0]
        columns = [self._column(training, test, name) for name in features]
        self.x, self.x_test = (np.hstack([column[part] for column in columns]) for part in (0, 1))
        truth = [[row[target] for row in part] for part in (training, test)]
        if metric == "accuracy":
            self.classes = sorted(set(truth[0]))
            self.y, self.y_test = (np.array([float(self.classes.index(label)) for label in part]) for part in truth)
        else:
            self.classes = []
            self.y, self.y_test = (np.array([float(value) for value in part]) for part in truth)

    @staticmethod
    def _column(training: list[dict[str, str]], test: list[dict[str, str]], name: str) -> tuple[Floats, Floats]:
        parts = [[row[name] for row in part] for part in (training, test)]
        try:
            left, right = (np.array([float(cell) if cell else np.nan for cell in part])[:, None] for part in parts)
            median = np.nanmedian(left)
            left, right = (np.where(np.isnan(part), median, part) for part in (left, right))
        except ValueError:
            values = sorted(set(parts[0]))
            left, right = (np.array([[float(cell == value) for value in values] for cell in part]) for part in parts)
        mean, deviation = left.mean(axis=0), left.std(axis=0)
        deviation = np.where(deviation == 0, 1.0, deviation)
        return (left - mean) / deviation, (right - mean) / deviation


def peer_scores(peer: Peer, folder: Path, metric: str) -> list[float] | None:
    """A peer's test score for each seed; None when it is not installed."""
    prepared = Prepared(folder, metric)
    try:
        outputs = [peer(prepared, seed) for seed in SEEDS]
    except ModuleNotFoundError:
        return None
    if metric == "accuracy":
        return [float(np.mean(output == prepared.y_test)) for output in outputs]
    return [float(np.sqrt(np.mean(np.square(output - prepared.y_test)))) for output in outputs]


def scikit_learn(prepared: Prepared, seed: int) -> Floats:
    """MLPClassifier or MLPRegressor as they come, the regression target standardized."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if prepared.classes:
            return np.asarray(MLPClassifier(random_state=seed).fit(prepared.x, prepared.y).predict(prepared.x_test))
        mean, deviation = prepared.y.mean(), prepared.y.std()
        model = MLPRegressor(random_state=seed).fit(prepared.x, (prepared.y - mean) / deviation)
    return np.asarray(model.predict(prepared.x_test) * deviation + mean)


def torch(prepared: Prepared, seed: int) -> Floats:
    """128-64 ReLU, AdamW with weight decay 0.01, a tenth for validation, patience 15, the best weights kept."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    order = np.random.default_rng(seed).permutation(len(prepared.x))
    held = len(order) // 10
    is_classes = bool(prepared.classes)
    mean, deviation = (0.0, 1.0) if is_classes else (prepared.y.mean(), prepared.y.std())
    x = torch.tensor(prepared.x[order], dtype=torch.float32)
    scaled = (prepared.y[order] - mean) / deviation
    y = torch.tensor(scaled).long() if is_classes else torch.tensor(scaled, dtype=torch.float32)[:, None]
    widths = [x.shape[1], 128, 64, len(prepared.classes) or 1]
    modules: list[Any] = []
    for fan_in, fan_out in pairwise(widths):
        modules += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*modules[:-1])
    loss_of: Any = torch.nn.CrossEntropyLoss() if is_classes else torch.nn.MSELoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    best, best_loss, waited = model.state_dict(), float("inf"), 0
    for _ in range(200):
        rows = held + torch.randperm(len(x) - held)
        for start in range(0, len(rows), 64):
            batch = rows[start : start + 64]
            optimizer.zero_grad()
            loss_of(model(x[batch]), y[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            loss = float(loss_of(model(x[:held]), y[:held]))
        waited += 1
        if loss < best_loss:
            best, best_loss, waited = {name: value.clone() for name, value in model.state_dict().items()}, loss, 0
        if waited >= 15:
            break
    model.load_state_dict(best)
    with torch.no_grad():
        outputs: Floats = model(torch.tensor(prepared.x_test, dtype=torch.float32)).numpy().astype(np.float64)
    return np.asarray(outputs.argmax(axis=1) if is_classes else outputs[:, 0] * deviation + mean, np.float64)


if __name__ == "__main__":
    sys.exit(main())
