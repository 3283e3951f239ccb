"""A learning rate far from those that an optimizer mostly has."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import Situation
from core.evidence import Evidence


class UnusualLearningRate(Rule):
    """A rate outside of what the optimizer says is usual; ten times outside it is a warning."""

    code: Literal["unusual_learning_rate"] = "unusual_learning_rate"

    far: float = 10.0

    source: ClassVar[str | None] = "Bengio 2012, Practical recommendations, section 3.1.1; Kingma & Ba 2015, Adam"

    def find(self, situation: Situation) -> Iterator[Advice]:
        if situation.plan is None:
            return
        optimizer = situation.plan.optimizer
        rate, (low, high) = optimizer.learning_rate, optimizer.usual_rates
        if low <= rate <= high:
            return
        what = "diverges" if rate > high else "hardly moves"
        sentence = (
            f"Choose a learning rate from {low:g} to {high:g} for {optimizer.kind}: at {rate:g} training mostly "
            f"{what}. A job of the kind learning_rate_range measures what suits."
        )
        is_far = rate > self.far * high or rate < low / self.far
        yield self.advice(
            "warning" if is_far else "information",
            sentence,
            pointer="/training/optimizer/learning_rate",
            evidence=Evidence(measure="learning_rate", value=rate, healthy=(low, high)),
        )
