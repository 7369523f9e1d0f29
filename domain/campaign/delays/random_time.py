"""A delay of a random length: `{for: 1h..3h}`."""

from typing import Annotated

from pydantic import Field

from domain.campaign.delays.kind import DelayForm, StepLinks
from domain.campaign.plan import Delay
from domain.campaign.schema import Given
from domain.campaign.time_fields import DurationRange


class RandomDelay(DelayForm):
    """A random time between two bounds, stable for a person: `{for: 1h..3h}`."""

    key = "for"
    example = "{for: 1h..3h}"

    # `for` is a keyword of Python.
    ends: Annotated[DurationRange, Given] = Field(alias="for", description="the least and the most: `1h..3h`")

    def node(self, links: StepLinks) -> Delay:
        least, most = self.ends
        return Delay(id=links.id, seconds=least, spread=most - least, next=links.next)
