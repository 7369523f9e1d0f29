"""The base of steps that hold lists of steps.

Their raw methods read the step as plain values, so that problems of the whole document appear together with those of
single fields: a value of an unexpected shape is ignored. Paths begin at the step.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from domain.campaign.steps.model import StepModel
from domain.document.yaml_source import Path

if TYPE_CHECKING:
    from domain.campaign.steps.kinds import Steps

RawList = tuple[Path, list[Any]]


class ControlStep(StepModel):
    """A step that decides which of its lists of steps comes next."""

    id: str

    @abstractmethod
    def lists(self) -> Iterator["Steps"]:
        """Iterate over the lists of steps."""

    @classmethod
    @abstractmethod
    def raw_lists(cls, step: dict[str, Any]) -> Iterator[RawList]:
        """Iterate over the lists of steps of a raw step."""

    @classmethod
    @abstractmethod
    def never_goes_on(cls, step: dict[str, Any], ends: Callable[[list[Any]], bool]) -> bool:
        """Whether the flow never reaches the next step; `ends` is the same for a list."""

    @classmethod
    def raw_events(cls, step: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Iterate over the events that a raw step waits for."""
        yield from ()

    @classmethod
    def raw_conditions(cls, step: dict[str, Any]) -> Iterator[tuple[Path, str]]:
        """Iterate over the conditions of a raw step that see the journey."""
        yield from ()

    @classmethod
    def form_problems(cls, step: dict[str, Any]) -> Iterator[tuple[Path, str, str]]:
        """Find keys that need or exclude one another, each with message and remedy."""
        yield from ()


def case_lists(path: Path, cases: list[Any]) -> Iterator[RawList]:
    """Iterate over the lists under `do` of each case."""
    for index, case in enumerate(cases):
        if isinstance(case, dict) and isinstance(case.get("do"), list):
            yield (*path, index, "do"), case["do"]


def lists_beside(step: dict[str, Any], *keys: str) -> Iterator[RawList]:
    """Iterate over the lists under these keys of a step."""
    yield from (((key,), step[key]) for key in keys if isinstance(step.get(key), list))


def text_at(path: Path, holder: Any, key: str) -> Iterator[tuple[Path, str]]:
    """Yield the text under a key, if it is one."""
    if isinstance(holder, dict) and isinstance(text := holder.get(key), str):
        yield (*path, key), text
