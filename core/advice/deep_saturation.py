"""So many activations in a row that they alone make the gradient vanish."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from core.advice.rule import Advice, Rule
from core.advice.situation import Situation
from core.evidence import Evidence
from core.graph.graph import Node


class DeepSaturation(Rule):
    """The product of the steepest slopes on every way to a node is below a thousandth: five sigmoids, 0.25⁵.

    A tanh has the slope 1 where it is steepest, so that nothing can be said without its weights; `initialization` says
    it. A normalization in between, or a way around by an addition, begins anew.
    """

    code: Literal["deep_saturation"] = "deep_saturation"

    least_product: float = 1e-3

    source: ClassVar[str | None] = "Glorot & Bengio 2010, section 3.1; Hochreiter 1991"

    def find(self, situation: Situation) -> Iterator[Advice]:
        products: dict[str, tuple[float, int]] = dict.fromkeys(situation.graph.inputs, (1.0, 0))
        worst: tuple[tuple[float, int], Node] | None = None
        for node in situation.graph.nodes:
            product, count = max(products[name] for name in node.inputs)
            slope = node.op.steepest
            if node.op.normalizes:
                product, count = 1.0, 0
            elif slope is not None and slope < 1.0 and node.id not in situation.graph.outcomes:
                product, count = product * slope, count + 1
            products[node.id] = product, count
            if product < self.least_product and (worst is None or count > worst[0][1]):
                worst = products[node.id], node
        if worst is not None:
            (product, count), node = worst
            sentence = (
                f"Use relu or another rectifier between the layers, or layer_norm: of {count} {node.op.op}s in a row "
                f"up to {node.id!r} the slopes multiply to {product:.1g} at most, and so little of the gradient "
                "reaches the first layers that they do not learn."
            )
            evidence = Evidence(measure="product_of_steepests", value=product, healthy=(self.least_product, None))
            yield self.advice("warning", sentence, node=node.id, pointer=situation.place(node), evidence=evidence)
