"""The life cycle of people: stages, the moves that are designed, and their aims."""

from collections.abc import Sequence

from msgspec import Struct

from domain.conditions.cel_roots import STATED_STAGE_VARIABLE
from domain.people.segments.definition import SegmentRule
from domain.people.segments.stages import LIFECYCLE
from domain.suggestions import did_you_mean


class StageRule(Struct, frozen=True):
    """A stage, and its place in the life cycle.

    Without `when` it is set by hand. `designed` are the stages to which a move is designed, and `aim` is the stage to
    which its campaigns are to lead.
    """

    key: str
    name: str
    position: int
    when: str | None = None
    designed: tuple[str, ...] = ()
    aim: str | None = None

    @property
    def is_manual(self) -> bool:
        """Whether the stage is set by hand, not judged by a condition."""
        return self.when is None

    def segment_rule(self) -> SegmentRule:
        """Return the rule of the stage's segment."""
        where = f'{STATED_STAGE_VARIABLE} == "{self.key}"' if self.when is None else self.when
        return SegmentRule(where, exclusive=LIFECYCLE, position=self.position)


def explain_stated_stage(stage: str, stages: Sequence[StageRule]) -> tuple[str, str] | None:
    """Return why a stage cannot be set by hand, and a remedy; None if it can."""
    known = {one.key: one for one in stages}
    manual = [one.key for one in stages if one.is_manual]
    if stage not in known:
        return f"the life cycle has no stage `{stage}`", did_you_mean(stage, manual, "Set by hand")
    if known[stage].is_manual:
        return None
    listed = ", ".join(f"`{key}`" for key in manual)
    return (
        f"`{stage}` is judged by its condition, and cannot be set",
        f"Set a trait that its condition reads, or a stage by hand: {listed}"
        if manual
        else "Set a trait that its condition reads: no stage of the life cycle is by hand",
    )
