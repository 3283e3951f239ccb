"""Adam: each parameter moves by the size its own gradients have had."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from core.adam import adam_scalars, adam_slots, adam_step
from core.arrays import Call
from core.optimizer import Optimizer, OptimizerSite
from core.update import Betas, Epsilon, WeightDecay, add_weight_decay


class Adam(Optimizer):
    """θ ← θ − learning_rate · m̂ / (√v̂ + eps), with running averages m of g and v of g² freed of their start at 0.

    m ← β₁ m + (1 − β₁) g, m̂ = m / (1 − β₁ᵗ), and likewise v with β₂ and g². The weight decay is coupled: g is the
    gradient + weight_decay · θ. With amsgrad the largest v so far stands for v.

    Source: Kingma and Ba 2015, "Adam", algorithm 1; Reddi et al. 2018, "On the Convergence of Adam and Beyond".
    """

    kind: Literal["adam"] = "adam"

    rescales: ClassVar[bool] = True
    usual_rates: ClassVar[tuple[float, float]] = (1e-6, 0.1)

    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.0
    amsgrad: bool = False

    def slots(self) -> dict[str, float]:
        return adam_slots(self.amsgrad)

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        return adam_scalars(self.betas, self.eps, step, learning_rate)

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        return [*add_weight_decay(site, self.weight_decay), *adam_step(site, self.betas, self.amsgrad)]
