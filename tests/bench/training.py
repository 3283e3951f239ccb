"""Training speed: our core beside scikit-learn, PyTorch when installed, and the matrix products alone.

    make bench                                  every case, every peer, as a table
    python -m tests.bench.training --only tiny  one case

Each measurement is a process of its own with one BLAS thread. The figure is examples per second over whole epochs,
the loss of each epoch included: the median of repeats in which nobody else used this core.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.cases import CASES
from tests.bench.peers import PREPARE

ROOT = Path(__file__).resolve().parents[2]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PEERS = ("floor", "ours", "scikit-learn", "torch", "torch-fused")
REPEATS, SECONDS, LONGEST_SECONDS = 5, 0.5, 10.0

Epochs = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one case")
    parser.add_argument("--peers", nargs="*", default=PEERS)
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "PEER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return
    print(f"{datetime.now(UTC):%Y-%m-%d}, {cpu()}, Python {platform.python_version()}, one BLAS thread, examples/s\n")
    print("| case | GEMM floor | ours | scikit-learn | torch | torch fused | ours / floor | / scikit-learn | / torch |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in [arguments.only] if arguments.only else CASES:
        print(row(name, {peer: in_a_process(name, peer) for peer in arguments.peers}), flush=True)


def row(name: str, speed: dict[str, float | None]) -> str:
    """One line of the table; a peer that is not installed is a dash."""
    ours = speed.get("ours")
    torch = max((speed[peer] or 0.0 for peer in ("torch", "torch-fused") if peer in speed), default=0.0) or None

    def ratio(other: float | None) -> str:
        return f"{ours / other:.2f}" if ours and other else "–"

    cells = [f"{speed[peer]:,.0f}" if speed.get(peer) else "–" for peer in PEERS]
    return (
        f"| {name} | "
        + " | ".join([*cells, ratio(speed.get("floor")), ratio(speed.get("scikit-learn")), ratio(torch)])
        + " |"
    )


def in_a_process(case: str, peer: str) -> float | None:
    """Measure in a fresh process, so that threads and kernels are set before NumPy is imported."""
    environment = os.environ | dict.fromkeys(THREADS, "1")
    command = [sys.executable, "-m", "tests.bench.training", "--measure", case, peer]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    if answer.returncode != 0:
        if "ModuleNotFoundError" not in answer.stderr:
            print(answer.stderr, file=sys.stderr)
        return None
    return float(json.loads(answer.stdout)["examples_per_second"])


def measure(case_name: str, peer: str) -> dict[str, float]:
    """Examples per second: repeats of about half a second after a warm-up, the quiet ones' median."""
    case = CASES[case_name]
    epochs, per_call = PREPARE[peer](case)
    epochs()
    begun, calls = time.perf_counter(), 0
    while time.perf_counter() - begun < 0.3:
        epochs()
        calls += 1
    per_repeat = max(1, round(calls * SECONDS / 0.3))
    speeds: list[tuple[float, float]] = []
    begun = time.perf_counter()
    while len(speeds) < REPEATS or (len(speeds) < 2 * REPEATS and time.perf_counter() - begun < LONGEST_SECONDS):
        speeds.append(repeat(epochs, per_repeat, per_call * case.rows))
    quiet = [speed for speed, share in speeds if share > 0.97] or [speed for speed, _ in speeds]
    return {"examples_per_second": statistics.median(quiet)}


def repeat(epochs: Epochs, calls: int, rows: float) -> tuple[float, float]:
    """Examples per second of these calls, and the share of the time in which this process had the core."""
    wall, cpu_time = time.perf_counter(), time.process_time()
    for _ in range(calls):
        epochs()
    wall, cpu_time = time.perf_counter() - wall, time.process_time() - cpu_time
    return rows * calls / wall, cpu_time / wall


def cpu() -> str:
    """The processor's own name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
