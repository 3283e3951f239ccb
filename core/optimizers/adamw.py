"""AdamW: Adam with weight decay apart from the gradient."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from core.adam import adam_scalars, adam_slots, adam_step
from core.arrays import Call, call
from core.optimizer import Optimizer, OptimizerSite
from core.update import Betas, Epsilon, WeightDecay


class AdamW(Optimizer):
    """θ ← (1 − learning_rate · weight_decay) · θ, then the step of Adam on the bare gradient.

    Decoupled so, every parameter decays alike; in Adam those with large gradients hardly decay.

    Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
    """

    kind: Literal["adamw"] = "adamw"

    rescales: ClassVar[bool] = True
    usual_rates: ClassVar[tuple[float, float]] = (1e-6, 0.1)

    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.01
    amsgrad: bool = False

    def slots(self) -> dict[str, float]:
        return adam_slots(self.amsgrad)

    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        numbers = adam_scalars(self.betas, self.eps, step, learning_rate)
        return numbers | {"kept": 1.0 - learning_rate * self.weight_decay}

    def update(self, site: OptimizerSite) -> Sequence[Call]:
        theta, kept = site.parameters, site.scalars["kept"]
        decay = [call(np.multiply, theta, kept, theta)] if self.weight_decay else []
        return [*decay, *adam_step(site, self.betas, self.amsgrad)]
