"""Settings: environment variables with the prefix BACKPROP_, none of which has to be set."""

import os
from functools import cache
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.kit.database.engine import normalized_url

_LOOPBACK_ADDRESSES = frozenset({"127.0.0.1", "::1", "localhost"})
# As they stand in a Host header; the last is what Starlette's test client calls its server.
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]", "testserver")


class Settings(BaseSettings):
    """How this installation runs."""

    model_config = SettingsConfigDict(
        env_prefix="BACKPROP_", frozen=True, use_attribute_docstrings=True, extra="forbid"
    )

    database_url: str = "sqlite:///data/backprop.sqlite3"
    """`sqlite:///file` or `postgresql://user:password@host/name`."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""

    allowed_hosts: list[str] | None = None
    """Names, as a JSON list, under which clients may call the server. By default only the machine's own while it
    listens on a loopback address (against DNS rebinding), and any name otherwise."""

    workers: int | None = Field(default=None, ge=0, le=1024)
    """How many jobs train at once on this machine; by default one per CPU. 0 leaves training to other machines."""

    max_body_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Largest body of a request, which is the largest file that can be uploaded."""

    max_json_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """Largest JSON body: larger data are files."""

    max_parameters: int = Field(default=50_000_000, ge=1)
    """Largest number of parameters of one network."""

    job_memory_mb: int = Field(default=2048, ge=64)
    """Memory of a job that does not set a limit of its own, and the most that it may set."""

    job_seconds: int = Field(default=24 * 3600, ge=1)
    """Running time of a job that does not set a limit of its own, and the most that it may set."""

    inspect_operations: float = Field(default=2e10, ge=0)
    """Floating-point operations, about, up to which a question is answered at once; a larger one is answered by a job.
    The default is some seconds of one CPU; 0 leaves every question to a job that takes any operations at all."""

    lease_seconds: float = Field(default=10, gt=0)
    """A worker that has not been heard of for so long has lost its job to another."""

    heartbeat_seconds: float = Field(default=0.5, gt=0)
    """How often a worker is heard of, and how soon at the latest it hears of a cancellation."""

    max_losses_without_progress: int = Field(default=5, ge=1)
    """How often in a row a job may lose its worker before its first new checkpoint, until it is given up as failed."""

    shutdown_seconds: float = Field(default=2, gt=0, le=60)
    """How long requests in flight may take to finish after SIGTERM."""

    fused: bool = False
    """Whether workers use compiled kernels, which give the same bits sooner; they need the extra `fused` (numba)."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe messages that are logged."""

    log_format: Literal["plain", "json"] = "plain"
    """Log lines for people or for programs."""

    @field_validator("database_url")
    @classmethod
    def _has_a_known_database(cls, url: str) -> str:
        normalized_url(url)
        return url

    @property
    def worker_count(self) -> int:
        """Local workers, with the default worked out."""
        return available_cpus() if self.workers is None else self.workers

    @property
    def host_names(self) -> list[str] | None:
        """Names under which clients may call, or None for any."""
        if self.allowed_hosts is not None:
            return self.allowed_hosts
        return list(_LOOPBACK_HOSTS) if self.host in _LOOPBACK_ADDRESSES else None


@cache
def available_cpus() -> int:
    """The CPUs that this process may use; a container's share is not the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
