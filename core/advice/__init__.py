"""Advice on a network before anything is trained, one rule a file; a new rule is one new file and no edit elsewhere."""

from core.advice.rule import Advice, Rule
from core.advice.situation import Situation, TrainingPlan
from core.registry import kinds

__all__ = ["RULES", "Advice", "Rule", "Situation", "TrainingPlan", "advise"]

RULES = kinds(__name__, Rule, "code")

MOST_OF_A_RULE = 20
"""Pieces of advice that one rule gives; a chain of thousands of layers has one mistake and not thousands."""


def advise(situation: Situation) -> list[Advice]:
    """What could be better, warnings first; nothing of it is refused."""
    found = [advice for rule in RULES.values() for advice in _some(list(rule.model_validate({}).find(situation)))]
    return sorted(found, key=lambda advice: advice.severity != "warning")


def _some(found: list[Advice]) -> list[Advice]:
    """The first ones; the last of them says how many there would be."""
    if len(found) <= MOST_OF_A_RULE:
        return found
    *kept, last = found[:MOST_OF_A_RULE]
    more = len(found) - MOST_OF_A_RULE
    return [*kept, last.model_copy(update={"sentence": f"{last.sentence} The same holds of {more} more nodes."})]
