"""Which checkpoints stay: a function of how far the run is, never of when anything was written."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass


@dataclass(frozen=True)
class Retention:
    """The start, the best epoch, the last one, and the newest `keep` of every `every_epochs`-th epoch."""

    every_epochs: int = 1
    keep: int = 10
    start: int = 0
    """The epoch that the run has begun after: not 0 if it has gone on from another one."""

    def epochs(self, last: int, best: int | None) -> AbstractSet[int]:
        """The epochs whose checkpoints stay when `last` epochs are done.

        After 25 epochs, every 10th, 2 kept, best 7: 0, 7, 10, 20 and 25.
        """
        newest = last - last % self.every_epochs
        oldest = max(newest - (self.keep - 1) * self.every_epochs, self.every_epochs)
        kept = {self.start, last, *range(oldest, newest + 1, self.every_epochs)}
        return kept if best is None else kept | {best}
