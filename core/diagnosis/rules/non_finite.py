"""Numbers that overflowed."""

from typing import ClassVar, Literal

from core.diagnosis.course import Course
from core.diagnosis.laboratory import Laboratory
from core.diagnosis.rule import Rule, compared
from core.diagnosis.verdict import Verdict


class NonFinite(Rule):
    """Any number that is not finite, in the run's last step or in a look at its layers."""

    code: Literal["non_finite"] = "non_finite"

    source: ClassVar[str] = "IEEE 754: what follows inf − inf or 0 · inf is NaN, and every sum with it."

    def judge(self, course: Course) -> Verdict | None:
        if course.failure is not None:
            node, step, epoch = course.failure
            return self._say(node, f"in step {step}", 1, (epoch + 1, epoch + 1))
        for probe in course.probes:
            for look in probe.nodes:
                if look.non_finite:
                    return self._say(
                        look.node, f"after epoch {probe.epoch}", look.non_finite, (probe.epoch, course.last)
                    )
        return None

    def complete(self, course: Course, verdict: Verdict, laboratory: Laboratory) -> Verdict:
        rate = laboratory.spec.optimizer.learning_rate
        found = laboratory.overflow(course.failure) if course.failure is not None else None
        if found is not None:
            evidence = verdict.evidence.model_copy(
                update={"measure": found.words, "value": float(found.count), "operands": found.operands}
            )
            verdict = verdict.model_copy(update={"node": found.node, "evidence": evidence})
        return compared(verdict, laboratory.train([rate, rate / 10.0]))

    def _say(self, node: str | None, when: str, count: int, epochs: tuple[int, int]) -> Verdict:
        return self.verdict(
            "critical",
            f"Numbers of {node!r} stopped being finite {when}: lower the learning rate, clip the gradient, or"
            " standardize features and targets; the operands say which of them had grown.",
            evidence=("entries that are not finite", count, (0.0, 0.0)),
            epochs=epochs,
            node=node,
        )
