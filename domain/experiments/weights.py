"""The weights of a split once its experiment has said something.

People who have been exposed keep their arm; new ones are drawn by the new weights.
"""

from collections.abc import Collection, Mapping
from typing import Final

# The control keeps a twentieth, so that a change of the effect is seen.
CONTROL_SHARE: Final = 0.05
_WHOLE: Final = 100


def weigh_winner(arms: Collection[str], control: str, winner: str) -> dict[str, int]:
    """Return the weights once an arm has won: the control keeps its share."""
    kept = round(CONTROL_SHARE * _WHOLE)
    weights = dict.fromkeys(arms, 0)
    weights[control] = kept
    weights[winner] += _WHOLE - kept
    return weights


def stop_arms(weights: Mapping[str, int], control: str, stopped: Collection[str]) -> dict[str, int]:
    """Return the weights without some arms: what they had goes to the control."""
    freed = sum(weights[arm] for arm in stopped)
    return {arm: 0 if arm in stopped else weight + (freed if arm == control else 0) for arm, weight in weights.items()}
