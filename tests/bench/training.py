"""Training speed: our core beside scikit-learn, PyTorch, JAX and the matrix products alone.

    make bench                                  every case, every peer, as a table
    python -m tests.bench.training --only tiny  one case

The exit status is 0 if every case reaches its share of the floor.

Each peer is a process of its own on one CPU, with one BLAS thread. The figure is examples per second over whole epochs,
the loss of each epoch included, in the best of several repeats. The share of the floor is taken in one process in turn.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.bench.cases import CASES, Case
from tests.bench.peers import PREPARE

ROOT = Path(__file__).resolve().parents[2]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PEERS = ("floor", "ours", "ours-fused", "scikit-learn", "torch", "torch-fused", "jax", "jax-scan")
OURS = ("ours", "ours-fused")
REPEATS, FEWEST, SECONDS, LONGEST_SECONDS = 15, 3, 0.25, 8.0

Epochs = Callable[[], object]
Speeds = dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(CASES), help="some cases")
    parser.add_argument("--peers", nargs="*", default=PEERS)
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "PEER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure)))
        return 0
    print(f"{datetime.now(UTC):%Y-%m-%d}, {cpu()}, {kernels()}, Python {platform.python_version()}, examples/s:\n")
    print("| case | " + " | ".join(PEERS) + " | ours / floor (goal) | / scikit-learn | / torch | / JAX | fused / JAX |")
    print("|---" * (len(PEERS) + 6) + "|")
    reached = True
    for name in arguments.only:
        speeds: Speeds = {}
        for peer in arguments.peers:
            speeds |= in_a_process(name, peer)
        print(row(CASES[name], speeds), flush=True)
        reached &= (ratio(speeds, "floor beside ours") or 1.0) >= CASES[name].of_floor
    return 0 if reached else 1


def row(case: Case, speeds: Speeds) -> str:
    """One line of the table; a peer that is not installed is a dash."""
    figures = [f"{speeds[peer]:,.0f}" if peer in speeds else "–" for peer in PEERS]
    ratios = [
        beside(ratio(speeds, "floor beside ours"), case.of_floor),
        beside(ratio(speeds, "scikit-learn"), case.of_scikit_learn),
        beside(ratio(speeds, "torch", "torch-fused"), case.of_torch),
        beside(ratio(speeds, "jax", "jax-scan"), 1.0),
        beside(ratio(speeds, "jax", "jax-scan", ours="ours-fused"), 1.0),
    ]
    return f"| {case.name} | " + " | ".join([*figures, *ratios]) + " |"


def ratio(speeds: Speeds, *peers: str, ours: str = "ours") -> float | None:
    """Ours over the best of these forms of a peer."""
    best, own = max((speeds.get(peer, 0.0) for peer in peers), default=0.0), speeds.get(ours)
    return own / best if best and own else None


def beside(reached: float | None, goal: float) -> str:
    """A ratio with its goal."""
    return "–" if reached is None else f"{reached:.2f} ({goal:g})" if goal else f"{reached:.2f}"


def kernels() -> str:
    """Which matrix products NumPy uses here."""
    library = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    chosen = os.environ.get("OPENBLAS_CORETYPE", "native")
    return f"NumPy {np.__version__}, {library['name']} {library['version']} ({chosen} kernels), one thread"


def in_a_process(case: str, peer: str) -> Speeds:
    """Measure in a fresh process, so that threads and kernels are set before NumPy is imported; nothing if it is not
    installed."""
    environment = os.environ | dict.fromkeys(THREADS, "1")
    environment |= {"JAX_PLATFORMS": "cpu"}
    environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [sys.executable, "-m", "tests.bench.training", "--measure", case, peer]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    if answer.returncode != 0:
        if "ModuleNotFoundError" not in answer.stderr:
            print(answer.stderr, file=sys.stderr)
        return {}
    answered: Speeds = json.loads(answer.stdout)
    return answered


def measure(case_name: str, peer: str) -> Speeds:
    """Examples per second, the best of several repeats; ours in turn with the floor, so that both see one machine."""
    if hasattr(os, "sched_setaffinity"):
        # XLA spreads its products over all CPUs whatever its flags say: 5,000 examples/s of wide, and on one CPU 2,640.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    case = CASES[case_name]
    kinds = [peer, "floor"] if peer in OURS else [peer]
    timed = [Timed(*PREPARE[kind](case), case.rows) for kind in kinds]
    begun, repeats = time.perf_counter(), 0
    while repeats < FEWEST or (repeats < REPEATS and time.perf_counter() - begun < LONGEST_SECONDS):
        for one in timed:
            one.repeat()
        repeats += 1
    return {peer: timed[0].best, **({f"floor beside {peer}": timed[1].best} if peer in OURS else {})}


class Timed:
    """A peer, prepared and warm, and the examples per second of its repeats."""

    def __init__(self, epochs: Epochs, per_call: float, rows: int) -> None:
        self._epochs, self._rows = epochs, per_call * rows
        self.best = 0.0
        """Of the repeats: what else a shared machine does can only slow them down."""

        epochs()
        begun, self._calls = time.perf_counter(), 0
        while time.perf_counter() - begun < SECONDS:
            epochs()
            self._calls += 1
        self._calls = max(1, self._calls)

    def repeat(self) -> None:
        """Time as many calls as fill a moment."""
        begun = time.perf_counter()
        for _ in range(self._calls):
            self._epochs()
        self.best = max(self.best, self._rows * self._calls / (time.perf_counter() - begun))


def cpu() -> str:
    """The processor's own name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    sys.exit(main())
