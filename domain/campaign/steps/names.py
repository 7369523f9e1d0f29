"""The keys that say what a step does, and those that mean something beside one."""

from typing import Final

from domain.campaign.steps.actions import ACTIONS

STEP_KINDS: Final = (
    *("delay", "send", "wait_for", "branch", "split", "repeat"),
    *(step.kind for step in ACTIONS),
    "exit",
)
# No arm of a split can be called so.
RESERVED: Final = ("id", "do", "otherwise", "on_event", "on_timeout", *STEP_KINDS)
