"""On what numbers are computed here: equal seeds give equal bits only where all of it is equal."""

import platform
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_info

from service.kit.http.schemas import StrictModel


class Blas(StrictModel):
    """The library that multiplies NumPy's matrices."""

    library: str = Field(examples=["openblas"])
    version: str | None
    kernel: str | None = Field(examples=["SkylakeX"], description="The kind of CPU whose kernels it has chosen.")
    threads: int | None


class Provenance(StrictModel):
    """What has computed: equal seeds give equal bits only where all of this is equal."""

    python: str = Field(examples=["3.11.14"])
    numpy: str = Field(examples=["2.4.1"])
    simd: list[str] = Field(description="Instruction sets that NumPy's own loops were chosen by, beside its baseline.")
    blas: Blas
    cpu: str = Field(description="Its model, as the system names it.")

    def __str__(self) -> str:
        blas = " ".join(filter(None, [self.blas.library, self.blas.version, self.blas.kernel]))
        return f"NumPy {self.numpy}, {blas}, Python {self.python}, {self.cpu}"


@cache
def provenance() -> Provenance:
    """What this process computes with; looked at once, and known to the processes forked from it."""
    built: Mapping[str, Any] = np.show_config(mode="dicts")
    return Provenance(
        python=platform.python_version(),
        numpy=np.__version__,
        simd=list(built.get("SIMD Extensions", {}).get("found", [])),
        blas=blas_of(threadpool_info(), built),
        cpu=_cpu(),
    )


def blas_of(loaded_libraries: Iterable[Mapping[str, Any]], built: Mapping[str, Any]) -> Blas:
    """The BLAS that is loaded; of one that cannot be asked (Apple's), what NumPy was built with."""
    loaded = next((found for found in loaded_libraries if found["user_api"] == "blas"), None)
    if loaded is None:
        named = built.get("Build Dependencies", {}).get("blas", {})
        return Blas(library=named.get("name", "unknown"), version=named.get("version"), kernel=None, threads=None)
    return Blas(
        library=loaded["internal_api"],
        version=loaded["version"],
        kernel=loaded.get("architecture"),
        threads=loaded["num_threads"],
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
