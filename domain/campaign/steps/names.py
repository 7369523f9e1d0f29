"""The kinds of steps, and the keys that may stand beside a kind."""

from typing import Final

from domain.campaign.steps.actions import ACTIONS

STEP_KINDS: Final = (
    *("delay", "send", "wait_for", "branch", "split", "repeat"),
    *(step.kind for step in ACTIONS),
    "exit",
)
# Names that no arm of a split can have.
RESERVED: Final = ("id", "do", "otherwise", "on_event", "on_timeout", *STEP_KINDS)
