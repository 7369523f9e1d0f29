"""Stages of the life cycle: the segments of one exclusive group."""

import re
from typing import Final

from msgspec import UNSET, UnsetType

# The group of which a person is in one segment.
LIFECYCLE: Final = "lifecycle"
STAGE_PREFIX: Final = "stage."
STAGE_KEY_PATTERN: Final = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
MAX_STAGE_KEY_LENGTH: Final = 63


def is_stage_key(text: str) -> bool:
    """Whether a text may be the key of a stage."""
    return len(text) <= MAX_STAGE_KEY_LENGTH and re.fullmatch(STAGE_KEY_PATTERN, text) is not None


def stage_segment(stage: str) -> str:
    """Return the key of a stage's segment."""
    return f"{STAGE_PREFIX}{stage}"


def stage_of_segment(key: str) -> str:
    """Return the stage of a segment of the group."""
    return key.removeprefix(STAGE_PREFIX)


class StagedFields:
    """The stage of a person as expressions see it.

    `stated_stage` was set by hand. `judged_stage` is that of the life cycle, and unset before one is applied.
    """

    __slots__ = ()

    stated_stage: str | None
    judged_stage: str | UnsetType | None

    @property
    def stage(self) -> str | None:
        """The judged stage, or the stated one without a life cycle."""
        return self.stated_stage if self.judged_stage is UNSET else self.judged_stage
