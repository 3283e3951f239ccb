"""A measured number beside what is healthy."""

from core.arrays import Model


class Evidence(Model):
    """One measured number."""

    measure: str
    value: float | None
    """null where it is not finite."""

    healthy: tuple[float | None, float | None]
    """The least and the most that is healthy; null where there is no bound."""
