import ctypes
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.kit.provenance import Provenance, blas_of, provenance

ROOT = Path(__file__).parents[3]


def in_a_process(**variables: str) -> Provenance:
    """What another process says of itself; OpenBLAS reads these variables when it is loaded."""
    program = "from service.kit.provenance import provenance; print(provenance().model_dump_json())"
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, **variables}, capture_output=True, check=True
    )
    return Provenance.model_validate_json(said.stdout)


def test_it_names_python_numpy_and_the_cpu() -> None:
    here = provenance()
    assert (here.python, here.numpy) == (platform.python_version(), np.__version__)
    assert here.cpu
    assert here.blas.library in str(here)


def openblas() -> Callable[[], bytes] | None:
    """The library's own answer to which kernels it has chosen."""
    for file in Path(np.__file__).parent.with_name("numpy.libs").glob("libscipy_openblas*"):
        ask: Callable[[], bytes] = ctypes.CDLL(str(file)).scipy_openblas_get_corename64_
        ask.restype = ctypes.c_char_p  # type: ignore[attr-defined]  # a function of C
        return ask
    return None


@pytest.mark.skipif(openblas() is None, reason="this NumPy comes without OpenBLAS")
def test_it_names_the_kernels_and_the_threads_that_are_really_used() -> None:
    ask = openblas()
    assert ask is not None
    assert provenance().blas.kernel == ask().decode()
    other = in_a_process(OPENBLAS_CORETYPE="Haswell", OPENBLAS_NUM_THREADS="1").blas
    assert (other.library, other.kernel, other.threads) == ("openblas", "Haswell", 1)


def test_of_a_library_that_cannot_be_asked_it_names_what_numpy_was_built_with() -> None:
    built = {"Build Dependencies": {"blas": {"name": "accelerate", "version": "unknown"}}}
    blas = blas_of([{"user_api": "openmp"}], built)
    assert (blas.library, blas.version, blas.kernel, blas.threads) == ("accelerate", "unknown", None, None)
