"""What a rule is: something that is known to go wrong, how to see it in a network, and what to do instead."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.situation import Situation
from core.arrays import Model
from core.evidence import Evidence

Severity = Literal["warning", "information"]


class Advice(Model):
    """One thing that could be better; the network is taken as it is."""

    code: str
    severity: Severity
    """`warning` for what hardly learns or cannot be right, `information` for what may well be meant."""

    node: str | None
    pointer: str
    """Where it stands: `/network/…` in the answer, `/training/…` in the request."""

    sentence: str
    """What to do, and why."""

    evidence: Evidence | None
    source: str | None
    """Where it is shown: paper and section."""


class Rule(Model):
    """A rule of one code; its fields are its thresholds."""

    code: str

    source: ClassVar[str | None] = None
    """Where it is shown: paper and section."""

    @abstractmethod
    def find(self, situation: Situation) -> Iterator[Advice]:
        """Every place where the rule has something to say, in the order of the network; a loop over nodes and edges."""

    def advice(
        self,
        severity: Severity,
        sentence: str,
        *,
        pointer: str,
        node: str | None = None,
        evidence: Evidence | None = None,
    ) -> Advice:
        """A piece of advice of this rule."""
        return Advice(
            code=self.code,
            severity=severity,
            node=node,
            pointer=pointer,
            sentence=sentence,
            evidence=evidence,
            source=self.source,
        )
