"""What it costs a run of 50 epochs to look at its layers.

    make bench-statistics                           the cases below
    python -m tests.bench.statistics --only digits  one case

The exit status is 0 if no run whose steps take half a millisecond or more takes more than 3 % longer for it.

Times are those of the process, the least of many: what else a shared machine does can only lengthen them.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
os.environ |= dict.fromkeys(THREADS, "1")

from core.training.statistics import is_probed
from tests.bench.cases import CASES, Case  # threads are set before NumPy is imported
from tests.bench.peers import our_run

LARGEST_SHARE, LEAST_STEP_SECONDS = 0.03, 0.5e-3
EPOCHS = 50
"""Of the run that is judged, which is the usual length."""

TIMED, MOST_REPEATS, LONGEST_SECONDS = 13, 30, 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=["digits", "small", "conv", "mnist-like"], help="some cases")
    print("| case | a step | an epoch | one that is noted | a probe | share of a run |\n|---|---|---|---|---|---|")
    reached = True
    for name in parser.parse_args().only:
        case = CASES[name]
        costs = measure(case)
        step = costs.plain / -(-case.rows // case.batch)
        figures = " | ".join(f"{1e3 * one:.3g} ms" for one in (step, costs.plain, costs.noted, costs.probe))
        print(f"| {name} | {figures} | {100 * costs.share:.1f} % |", flush=True)
        reached &= costs.share <= LARGEST_SHARE or step < LEAST_STEP_SECONDS
    return 0 if reached else 1


@dataclass
class Costs:
    """The least seconds that were seen of an epoch without statistics, of one with, and of a probe."""

    plain: float = math.inf
    noted: float = math.inf
    probe: float = math.inf

    @property
    def share(self) -> float:
        """What a run of EPOCHS takes longer."""
        probes = sum(is_probed(epoch) for epoch in range(EPOCHS)) + 1
        return (EPOCHS * (self.noted - self.plain) + probes * self.probe) / (EPOCHS * self.plain)


def measure(case: Case) -> Costs:
    """Two runs through the same epochs in turn, so that both see one machine; what else it does slows them down only.

    Epochs are alike but for their probes, which are timed by themselves.
    """
    costs = Costs()
    begun, repeats = time.perf_counter(), 0
    while repeats < 1 or (repeats < MOST_REPEATS and time.perf_counter() - begun < LONGEST_SECONDS):
        plain, noted = (our_run(case, statistics=on, epochs=EPOCHS) for on in (False, True))
        without, watched = plain.events(), noted.events()
        for epoch in range(1, TIMED + 1):
            costs.plain = min(costs.plain, seconds(partial(next, without)))
            taken = seconds(partial(next, watched))
            if not is_probed(epoch):
                costs.noted = min(costs.noted, taken)
            costs.probe = min(costs.probe, seconds(noted.first_look))
        repeats += 1
    return costs


def seconds(call: Callable[[], object]) -> float:
    """Time of this process, which others on the machine do not lengthen as much."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


if __name__ == "__main__":
    sys.exit(main())
