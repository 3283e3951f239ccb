"""Far more parameters than rows to learn them from."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import Situation
from core.evidence import Evidence
from core.ops.dropout import Dropout


class ParametersExceedRows(Rule):
    """More than a hundred parameters for each row, and neither penalty, dropout nor weight decay.

    So many can learn any labels by heart, random ones too. Ten or thirty for each row are usual and do well.
    """

    code: Literal["parameters_exceed_rows"] = "parameters_exceed_rows"

    most: float = 100.0

    source: ClassVar[str | None] = "Zhang et al. 2017, Understanding deep learning requires rethinking generalization"

    def find(self, situation: Situation) -> Iterator[Advice]:
        plan, graph = situation.plan, situation.graph
        if plan is None or graph.parameter_count <= self.most * plan.rows:
            return
        drops = any(isinstance(node.op, Dropout) and node.op.p > 0.0 for node in graph.nodes)
        penalized = any(penalty.strength > 0.0 for penalty in graph.penalties)
        if drops or penalized or getattr(plan.optimizer, "weight_decay", 0.0) > 0.0:
            return
        ratio = graph.parameter_count / plan.rows
        sentence = (
            f"Use fewer units, an l2 penalty, dropout or early stopping: {graph.parameter_count:,} parameters learn "
            f"{plan.rows:,} rows by heart, {ratio:,.0f} for each."
        )
        evidence = Evidence(measure="parameters_per_row", value=ratio, healthy=(None, self.most))
        yield self.advice("information", sentence, pointer="/training/rows", evidence=evidence)
