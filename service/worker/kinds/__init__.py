"""The kinds of jobs, one a file; a new kind is one new file with a `KIND`."""

import importlib
import pkgutil
from collections.abc import Mapping

from service.jobs.states import JobKind
from service.worker.kind import Kind


def _found() -> dict[JobKind, Kind]:
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return {module.KIND.name: module.KIND for module in modules}


KINDS: Mapping[JobKind, Kind] = _found()
