"""Features found from their folders, so that a new one is a new folder and no edit elsewhere."""

import importlib
import pkgutil
from types import ModuleType

import service


def modules(name: str) -> list[ModuleType]:
    """The modules of this name (`router`, `tables` …) in the folders of `service`, in the order of the folders."""
    found = []
    for folder in sorted(module.name for module in pkgutil.iter_modules(service.__path__) if module.ispkg):
        package = importlib.import_module(f"service.{folder}")
        if any(module.name == name for module in pkgutil.iter_modules(package.__path__)):
            found.append(importlib.import_module(f"service.{folder}.{name}"))
    return found


def load_tables() -> None:
    """Import every table, so that `Base.metadata` is complete."""
    for module in ("service.kit.blobs", "service.kit.http.idempotency"):
        importlib.import_module(module)
    modules("tables")
