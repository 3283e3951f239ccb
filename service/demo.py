"""The whole way in one command: `python -m service.demo` starts a server and does over HTTP what its users do.

It uploads the bundled handwritten digits, trains on them, shows the losses as they come, tests, predicts one image,
proves the gradients of the trained network, and ends with how they flow and with the verdict of the run. Standard
library only, as any client could be written.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DIGITS = Path(__file__).resolve().parents[1] / "core" / "data" / "bundled" / "digits.csv"
START_SECONDS, STOP_SECONDS = 60, 10
BAR = 30
SHADES = " .:-=+*#%@"

Json = dict[str, Any]


def main() -> int:
    """Run the demonstration; the exit status is 0 if everything it shows came out right."""
    with tempfile.TemporaryDirectory(prefix="backprop-demo-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = os.environ | {"BACKPROP_DATABASE_URL": f"sqlite:///{folder}/backprop.sqlite3"}
        command = [sys.executable, "-m", "service", "serve", "--port", str(port)]
        log_path = Path(folder) / "server.log"
        with log_path.open("wb") as log:
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            client = Client(f"http://127.0.0.1:{port}")
            client.wait_until_ready(server, log_path)
            return show(client)
        finally:
            server.send_signal(signal.SIGTERM)
            print(f"\nThe server stopped with status {server.wait(STOP_SECONDS)}.")


def show(client: "Client") -> int:
    """The tour; each line printed comes from an answer of the service."""
    dataset = client.upload(DIGITS)
    print(f"Data set {dataset['id']}: {dataset['rows']} rows, {len(dataset['columns'])} columns.")
    split = {"validation": 0.1, "test": 0.2}
    job = client.post("/v1/jobs", {"name": "digits", "dataset": dataset["id"], "target": "digit", "split": split})
    print(f"Job {job['id']}: {layers(job)}.\n")
    watch(client, job)
    job = client.get(f"/v1/jobs/{job['id']}")
    if job["state"] != "succeeded":
        print(f"The job ended {job['state']}: {job['error']}")
        return 1
    model = job["model"]
    accuracy = client.post(f"/v1/models/{model}/evaluate", {"split": "test"})["metrics"]["accuracy"]
    print(f"\nTest accuracy of {model}: {accuracy:.4f} on rows it never saw.")
    predict_one(client, dataset, model)
    error = gradient_table(client, dataset, model)
    flow_table(client, job)
    verdicts(client, job)
    return 0 if accuracy >= 0.95 and error <= 1e-6 else 1


def layers(job: Json) -> str:
    """The network of a job in a line."""
    network = job["spec"]["network"]
    return " → ".join(node["op"] for node in network.get("layers") or network["nodes"])


def watch(client: "Client", job: Json) -> None:
    """Draw a bar for as long as the job's event stream lasts."""
    is_terminal = sys.stdout.isatty()
    line = ""
    for kind, event in client.events(f"/v1/jobs/{job['id']}/events"):
        if kind != "epoch":
            continue
        filled = round(BAR * event["epoch"] / job["spec"]["epochs"])
        line = (
            f"[{'█' * filled}{'·' * (BAR - filled)}] epoch {event['epoch']:3d}  "
            f"training loss {event['training']['loss']:.4f}  validation loss {event['validation']['loss']:.4f}  "
            f"accuracy {event['validation']['accuracy']:.4f}  best epoch {event['best_epoch']}"
        )
        if is_terminal:
            print("\r" + line, end="", flush=True)
        elif event["epoch"] % 10 == 1:
            print(line, flush=True)
    print("\r" + line)


def predict_one(client: "Client", dataset: Json, model: str) -> None:
    """Show one image and what the model makes of it."""
    row = client.get(f"/v1/datasets/{dataset['id']}/rows?limit=1")["data"][0]
    truth = row.pop("digit")
    answer = client.post(f"/v1/models/{model}/predict", {"rows": [row]})
    pixels = list(row.values())
    print("\nOne prediction:")
    for start in range(0, 64, 8):
        print("   " + "".join(SHADES[min(int(pixel / 17 * len(SHADES)), 9)] * 2 for pixel in pixels[start : start + 8]))
    print(f"   predicted {answer['predictions'][0]} with {max(answer['probabilities'][0]):.4f}, written as {truth}")


def gradient_table(client: "Client", dataset: Json, model: str) -> float:
    """Print the gradient of the loss by layer with its numerical check; the largest relative error."""
    rows = client.get(f"/v1/datasets/{dataset['id']}/rows?limit=32")["data"]
    question = {"subject": {"model": model}, "rows": rows}
    summary = client.post("/v1/inspect/gradients", question | {"include": ["params"], "summary": True})
    check = client.post("/v1/inspect/gradient-check", question)
    errors = {(tensor["node"], tensor["param"]): tensor["relative_error"] for tensor in check["tensors"]}
    print(f"\nGradients on {len(rows)} rows, loss {summary['loss']:.6f}, checked by central differences:")
    print(f"   {'layer':<12} {'param':<6} {'|dL/dw|':>12} {'largest':>12} {'zeros':>7} {'relative error':>16}")
    for node, params in summary["gradients"]["params"].items():
        for name, gradient in params.items():
            print(
                f"   {node:<12} {name:<6} {gradient['l2']:12.4e} {gradient['max']:12.4e} {gradient['zeros']:7d} "
                f"{errors[node, name]:16.1e}"
            )
    verdict = "passed" if check["passed"] else "FAILED"
    print(f"   gradient check {verdict}: largest relative error {check['max_relative_error']:.1e}, bound 1e-6")
    return float(check["max_relative_error"])


def flow_table(client: "Client", job: Json) -> None:
    """Print how the signal flows through the layers at the end of training, one line a layer."""
    layers = client.get(f"/v1/jobs/{job['id']}/layers")
    looks, updates = layers["probes"]["nodes"], layers["tensors"]
    names = list(looks)
    print(f"\nGradient flow after epoch {layers['probes']['epoch'][-1]}, on 256 rows of the training split:")
    heads = f"{'rms(dL/dz)':>12} {'activation':>11} {'std':>8} {'dead':>6} {'flat':>6} {'update/weight':>15}"
    print(f"   {'layer':<12} {heads}")
    for place, name in enumerate(names):
        if name not in layers["layers"]:
            continue
        follower = names[place + 1] if place + 1 < len(names) and names[place + 1] not in layers["layers"] else name
        acts = looks[follower]
        dead, flat = (share_of(acts[part][-1]) for part in ("dead", "saturated"))
        ratio = next(value for value in reversed(updates[f"{name}.W"]["update_to_weight"]) if value is not None)
        print(
            f"   {name:<12} {looks[name]['slope_rms'][-1]:12.4e} {acts['op']:>11} {acts['std'][-1]:8.3f} "
            f"{dead:>6} {flat:>6} {ratio:15.2e}"
        )


def share_of(value: float | None) -> str:
    """A share as a percentage; a dash where the activation has none."""
    return "–" if value is None else f"{value:.0%}"


def verdicts(client: "Client", job: Json) -> None:
    """Print what the service makes of the run."""
    diagnosis = client.get(f"/v1/jobs/{job['id']}/diagnosis")
    print(f"\nDiagnosis: {'healthy' if diagnosis['healthy'] else 'NOT healthy'}, chance is {diagnosis['chance']:.4f}.")
    for verdict in diagnosis["verdicts"]:
        evidence, (first, last) = verdict["evidence"], verdict["epochs"]
        value = "not finite" if evidence["value"] is None else f"{evidence['value']:.3g}"
        print(f"   {verdict['severity']} {verdict['code']}, epochs {first} to {last}; {evidence['measure']}: {value}")
        print(f"      {verdict['advice']}")


class Client:
    """JSON over HTTP, without a library."""

    def __init__(self, base: str) -> None:
        self.base = base

    def get(self, path: str) -> Json:
        return self._answer(urllib.request.Request(self.base + path))

    def post(self, path: str, body: Json) -> Json:
        headers = {"Content-Type": "application/json"}
        return self._answer(urllib.request.Request(self.base + path, json.dumps(body).encode(), headers))

    def upload(self, path: Path) -> Json:
        """Post a file as a form, as `curl -F file=@…` does."""
        boundary = "backprop-demo-boundary"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
        body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self._answer(urllib.request.Request(f"{self.base}/v1/datasets", body, headers))

    def events(self, path: str) -> Iterator[tuple[str, Json]]:
        """The server-sent events of a stream as (kind, payload), until the server closes it."""
        request = urllib.request.Request(self.base + path, headers={"Accept": "text/event-stream"})
        kind = ""
        with urllib.request.urlopen(request) as stream:
            for line in stream:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)

    def wait_until_ready(self, server: "subprocess.Popen[bytes]", log: Path) -> None:
        """Return when a worker is alive; raise RuntimeError with the server's words if it gave up."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and server.poll() is None:
            try:
                self.get("/health/ready")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')}")

    def _answer(self, request: urllib.request.Request) -> Json:
        with urllib.request.urlopen(request) as answer:
            content: Json = json.load(answer)
            return content


if __name__ == "__main__":
    sys.exit(main())
