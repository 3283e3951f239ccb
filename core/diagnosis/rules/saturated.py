"""Units of a sigmoid or tanh layer stand where it is flat and hardly pass a gradient on."""

from typing import ClassVar, Literal

from core.diagnosis.changes import STANDARDIZED, USUAL_START
from core.diagnosis.course import Course, looks
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared, others, stretch
from core.diagnosis.verdict import Verdict
from core.training.statistics import Probe

MEASURE = "share of slopes below 6 % of the steepest, of the layer where it is largest"


class Saturated(Rule):
    """More than 25 % of the slopes of a hidden layer from the start on, or 50 % later, are below 6 % of their maximum.

    Where a loss looks at the activation itself, being flat is being sure, and no fault. In a run that has learned most
    there is to learn it is only told.
    """

    code: Literal["saturated"] = "saturated"

    most_at_start: float = 0.25
    most_later: float = 0.5
    is_structural: ClassVar[bool] = True

    source: ClassVar[str] = (
        "Glorot & Bengio 2010, section 3; LeCun et al. 1998, section 4.4. σ' is below 6 % of 1/4 beyond |z| = 4.1,"
        " tanh' beyond 2.1."
    )

    def judge(self, course: Course) -> Verdict | None:
        from_start = bool(course.probes) and all(
            self._flat(course, probe, self.most_at_start) for probe in course.probes
        )
        most = self.most_at_start if from_start else self.most_later
        epochs = stretch(course, lambda probe: bool(self._flat(course, probe, most)))
        if epochs is None:
            return None
        flat = self._flat(course, course.probes[-1], most)
        node = max(flat, key=lambda name: flat[name])
        return self.verdict(
            "information" if course.has_learned(course.latest_loss) else "warning",
            f"{flat[node]:.0%} of {node!r}{others(list(flat))} is flat and passes hardly any gradient on: start from"
            " smaller weights, standardize the features, lower the learning rate, or use rectifiers.",
            evidence=(MEASURE, flat[node], (0.0, most)),
            epochs=epochs,
            node=node,
        )

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        if verdict.epochs[0] > 0:
            # Steep before training: it is the updates that have driven it there.
            rate = laboratory.spec.optimizer.learning_rate
            return compared(verdict, laboratory.train([rate, rate / 10.0]))
        return compared(verdict, laboratory.compare(course, MEASURE, self._largest, [USUAL_START, STANDARDIZED]))

    @staticmethod
    def _flat(course: Course, probe: Probe, most: float) -> dict[str, float]:
        return {name: share for name, share in _shares(course, probe).items() if share > most}

    @staticmethod
    def _largest(course: Course, probe: Probe) -> float | None:
        return max(_shares(course, probe).values(), default=None)


def _shares(course: Course, probe: Probe) -> dict[str, float]:
    # Where a loss looks, or at the prediction, saturation is confidence.
    shares = {name: look.saturated for name, look in looks(probe).items() if name not in course.graph.outcomes}
    return {name: share for name, share in shares.items() if share is not None}
