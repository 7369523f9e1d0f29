"""Numbers of people that are estimated by a sample."""

from typing import Any

from pydantic import Field

from api.dependencies import ResponseModel

ESTIMATE: dict[str, Any] = {
    "estimate": 9300,
    "low": 8060,
    "high": 10728,
    "of": 1000000,
    "sampled": 20000,
    "summary": "about 9,300 of 1,000,000 people (8,060 to 10,728)",
}
MOVEMENT: dict[str, Any] = {"members": ESTIMATE, "joins": ESTIMATE, "leaves": ESTIMATE}


class NumberEstimate(ResponseModel):
    """A number of people, by a sample of them drawn at random."""

    estimate: int = Field(description="how many people there would be")
    low: int = Field(description="the number is from here")
    high: int = Field(description="to here, in 95 of 100 samples")
    of: int = Field(description="how many people there are; from a million on by PostgreSQL's statistics")
    sampled: int = Field(description="how many were looked at; all if it is the same as `of`")
    summary: str = Field(description="for people; rare ones are `fewer than …`")


class SegmentMovement(ResponseModel):
    """Estimates from a sample drawn at random, judged by the document."""

    members: NumberEstimate = Field(description="who would be in it")
    joins: NumberEstimate
    leaves: NumberEstimate
