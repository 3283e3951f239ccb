"""What a question is: a request that answers itself, given somewhere to find trained models."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol, get_type_hints

from pydantic import BaseModel

from core.arrays import Array, Model
from core.data.preparation import Preparation
from core.graph.graph import Graph


@dataclass(frozen=True)
class Trained:
    """A network with its learned parameters and the preparation of its rows."""

    graph: Graph
    parameters: Array
    preparation: Preparation


class Library(Protocol):
    """Where questions find the models they are asked about."""

    def model(self, reference: str) -> Trained:
        """The model that a reference names: `mdl_…`, `name@3`, `job_…@12`."""


class Question(Model):
    """A request; `question` names the kind. Asking changes nothing: no stored byte, no random state."""

    question: str

    sentence: ClassVar[str]
    """What is asked, as shown to people."""

    @abstractmethod
    def answer(self, library: Library) -> BaseModel:
        """Everything there is to say. Raises core.errors.Invalid with pointers into the request."""

    @classmethod
    def answer_type(cls) -> type[BaseModel]:
        """The model of the answer, as the method's own annotation says."""
        found = get_type_hints(cls.answer)["return"]
        assert isinstance(found, type) and issubclass(found, BaseModel)
        return found
