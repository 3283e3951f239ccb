"""What it costs a run to look at its layers: whole runs with and without statistics.

    make bench-statistics                           the cases below
    python -m tests.bench.statistics --only digits  one case

The exit status is 0 if no run whose steps take half a millisecond or more takes more than 3 % longer for it.

Both runs go through the same epochs in turn, so that both see one machine, and of each epoch the best of several
repeats counts: what else a shared machine does can only slow it down. The look before training is part of the first.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
os.environ |= dict.fromkeys(THREADS, "1")

from tests.bench.cases import CASES, Case  # threads are set before NumPy is imported
from tests.bench.peers import our_run

LARGEST_SHARE, LEAST_STEP_SECONDS = 0.03, 0.5e-3
EPOCHS = {"digits": 50, "small": 50, "conv": 50, "mnist-like": 10}
"""Short runs are the hard case: most of their epochs are probed."""

REPEATS, LONGEST_SECONDS = 5, 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(EPOCHS), choices=list(EPOCHS), help="some cases")
    print("| case | a step | epochs | without | with statistics | share |\n|---|---|---|---|---|---|")
    reached = True
    for name in parser.parse_args().only:
        case = CASES[name]
        epochs = EPOCHS[name]
        without, watched = measure(case, epochs)
        step = without / (epochs * -(-case.rows // case.batch))
        share = watched / without - 1
        print(
            f"| {name} | {1e3 * step:.3g} ms | {epochs} | {without:.3f} s | {watched:.3f} s | {100 * share:.1f} % |",
            flush=True,
        )
        reached &= share <= LARGEST_SHARE or step < LEAST_STEP_SECONDS
    return 0 if reached else 1


def measure(case: Case, epochs: int) -> tuple[float, float]:
    """Seconds of a run without statistics, and with them."""
    best = [[float("inf")] * epochs for _ in range(2)]
    begun, repeats = time.perf_counter(), 0
    while repeats < 2 or (repeats < REPEATS and time.perf_counter() - begun < LONGEST_SECONDS):
        runs = [our_run(case, statistics=on, epochs=epochs) for on in (False, True)]
        events = [run.events() for run in runs]
        looks = [seconds(run.first_look) for run in runs]
        for epoch in range(epochs):
            for which in (0, 1):
                taken = seconds(partial(next, events[which])) + (0.0 if epoch else looks[which])
                best[which][epoch] = min(best[which][epoch], taken)
        repeats += 1
    return sum(best[0]), sum(best[1])


def seconds(call: Callable[[], object]) -> float:
    """Time of this process, which others on the machine do not lengthen as much."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


if __name__ == "__main__":
    sys.exit(main())
