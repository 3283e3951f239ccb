"""What Prometheus asks of HTTP: how many requests, by route and status, and how long they took."""

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from starlette.types import Scope


class RequestMetrics:
    """The counters of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "backprop_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "backprop_request_seconds",
            "Time to answer, in seconds; streams until they end.",
            ["method", "route"],
            registry=self.registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answered request."""
        route = _route_of(scope)
        method = scope["method"] if route != "unknown" else "any"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


def _route_of(scope: Scope) -> str:
    """The route's template, so that ids and made-up paths do not each make a series of their own."""
    return str(getattr(scope.get("route"), "path", "unknown"))
