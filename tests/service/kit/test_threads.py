import subprocess
import sys

import pytest

from service.kit.threads import VARIABLES, TooLate, is_limited_to_one_blas_thread, use_one_blas_thread


def test_blas_runs_on_one_thread_in_a_process_that_asked_first() -> None:
    script = (
        "from service.kit.threads import use_one_blas_thread; use_one_blas_thread();"
        "import os, numpy; a = numpy.ones((600, 600)); a @ a; print(len(os.listdir('/proc/self/task')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout == "1\n"


def test_after_numpy_it_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy  # noqa: F401, PLC0415 -- it has to be there for this test

    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    assert not is_limited_to_one_blas_thread()
    with pytest.raises(TooLate):
        use_one_blas_thread()
