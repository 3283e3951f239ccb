"""The rate rises to a peak and then falls far below where it began, once."""

from typing import Annotated, Literal

from pydantic import AliasChoices, Field

from core.schedule import Schedule, TotalEpochs, half_wave, settled

Factor = Annotated[float, Field(ge=1, le=1e12)]


class OneCycle(Schedule):
    """Half a cosine up from peak / div_factor, then half a cosine down to peak / div_factor / final_div_factor.

    The rise takes the first pct_start of the epochs. After total_epochs the rate stays where it ended.

    Source: Smith and Topin 2018, "Super-Convergence"; the form is PyTorch's.
    """

    kind: Literal["one_cycle"] = "one_cycle"

    total_epochs: TotalEpochs = None
    """Length of the cycle; the whole run when left out."""

    maximum_learning_rate: Annotated[
        float | None, Field(gt=0, validation_alias=AliasChoices("maximum_learning_rate", "max_lr"))
    ] = None
    """The peak; the optimizer's own rate when left out, and instead of it when given."""

    pct_start: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Fraction of the cycle that the rise takes."""

    div_factor: Factor = 25.0
    final_div_factor: Factor = 10_000.0

    def learning_rate(self, base: float, epoch: int) -> float:
        peak = base if self.maximum_learning_rate is None else self.maximum_learning_rate
        start = peak / self.div_factor
        end, last = start / self.final_div_factor, settled(self.total_epochs) - 1
        top = max(self.pct_start * (last + 1) - 1, 0.0)
        if epoch < top:
            return half_wave(start, peak, epoch / top)
        return half_wave(peak, end, min((epoch - top) / max(last - top, 1e-9), 1.0))
