"""What a question is: a request that answers itself, given somewhere to find trained models."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, Protocol, get_type_hints

from pydantic import BaseModel, Field

from core.arrays import Array, Model
from core.data.preparation import Preparation
from core.experiment import Experiment
from core.graph.graph import Graph
from core.training.examples import Examples

SplitName = Literal["training", "validation", "test"]


@dataclass(frozen=True)
class Trained:
    """A network with its learned parameters and the preparation of its rows."""

    graph: Graph
    parameters: Array
    preparation: Preparation


@dataclass(frozen=True)
class History:
    """How a model came to be: what it learned from, and what is kept of the way."""

    experiment: Experiment
    epoch: int | None
    """Of the checkpoint that was named; None for the model at the end of a run."""

    checkpoints: Mapping[int, Callable[[], Array]] = field(default_factory=dict)
    """Parameters and state (graph.size,) after each epoch that is kept, read when asked for; 0 is the start."""

    learning_rates: Mapping[int, float] = field(default_factory=dict)
    """The rate of each epoch so far, counted from 1."""

    def examples(self, split: SplitName) -> Examples | None:
        """The prepared rows of a split; None where it has none."""
        splits = {
            "training": self.experiment.training,
            "validation": self.experiment.validation,
            "test": self.experiment.test,
        }
        return splits[split]


class Library(Protocol):
    """Where questions find the models they are asked about."""

    def model(self, reference: str) -> Trained:
        """The model that a reference names: `mdl_…`, `name@3`, `job_…@12`."""

    def history(self, reference: str) -> History:
        """How the same model was trained; reads its data set. Raises Invalid at `/subject/model` if that is gone."""


class ArrayPage(Model):
    """A stretch of one array of an answer, to be given in place of the whole answer."""

    pointer: Annotated[str, Field(max_length=2000, examples=["/gradients/params/h/W"])]
    """Where the array stands in the answer, as a JSON Pointer."""

    offset: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The first entry, counted from 0 in C order."""

    limit: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    """Entries at most."""


class Question(Model):
    """A request; `question` names the kind. Asking changes nothing: no stored byte, no random state."""

    question: str

    page: ArrayPage | None = None
    """For an answer that holds arrays: one of them, from somewhere on, in place of the answer."""

    sentence: ClassVar[str]
    """What is asked, as shown to people."""

    example: ClassVar[Mapping[str, Any]]
    """A request that can be sent as it is; one that needs a trained model calls it `iris`."""

    def work(self, library: Library) -> float:
        """Floating-point operations that the answer takes, about; what takes long is answered by a worker.

        Raises Invalid.
        """
        return 0.0

    @abstractmethod
    def answer(self, library: Library) -> BaseModel:
        """Everything there is to say, arrays in full. Raises core.errors.Invalid with pointers into the request."""

    @classmethod
    def answer_type(cls) -> type[BaseModel]:
        """The model of the answer, as the method's own annotation says."""
        found = get_type_hints(cls.answer)["return"]
        assert isinstance(found, type) and issubclass(found, BaseModel)
        return found
