"""Kinds found from their folder: a new op, loss or schedule is one new file and no edit elsewhere."""

import importlib
import pkgutil
from typing import TypeVar

Kind = TypeVar("Kind")


def kinds(package: str, base: type[Kind], tag: str) -> dict[str, type[Kind]]:
    """Every class derived from `base` that a module of `package` defines, by the default of its field `tag`.

    Abstract bases in the same folder are told apart by having no default for the tag.

    Raises ValueError when two classes claim the same name.
    """
    found: dict[str, type[Kind]] = {}
    folder = importlib.import_module(package)
    for module_name in sorted(module.name for module in pkgutil.iter_modules(folder.__path__)):
        module = importlib.import_module(f"{package}.{module_name}")
        for member in vars(module).values():
            if not (isinstance(member, type) and issubclass(member, base) and member.__module__ == module.__name__):
                continue
            name = member.model_fields[tag].default  # type: ignore[attr-defined]  # every base is a pydantic model
            if not isinstance(name, str):
                continue
            if name in found:
                raise ValueError(f"{member} and {found[name]} are both called {name!r}")
            found[name] = member
    return found
