"""The parts of campaigns that a simulation leaves out, each told and never silent."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct, json

from domain.campaign.plan import Message, SendMembers
from domain.campaign.rules import Rules
from domain.channels.kinds import CHANNELS
from domain.people.account_view import may_read_account
from domain.people.segments.deployed import DeployedSegments
from domain.rehearsal.rulebook import RunningCampaign
from domain.sending.caps import CapRule

_REPLIES: Final = re.compile(r"\bjourney\.(saved|answers)\b")


class Omission(Struct, frozen=True):
    """A part of a campaign, or of the segments, that is not simulated.

    With `leaves_out`, none of the campaign is.
    """

    campaign: str
    what: str
    leaves_out: bool = False

    def __str__(self) -> str:
        part = "the campaign is left out" if self.leaves_out else "not simulated"
        return f"{self.campaign}: {part}: {self.what}"


def list_omissions(campaign: RunningCampaign) -> Iterator[Omission]:
    """Iterate over the parts of a campaign that are not simulated."""
    key, rules, nodes = campaign.key, campaign.rules, campaign.plan.nodes.values()
    if rules.entry.account:
        yield Omission(key, "its journeys are of accounts", leaves_out=True)
        return
    if any(isinstance(node, SendMembers) for node in nodes):
        yield Omission(key, "it sends to the members of accounts", leaves_out=True)
        return
    channels = {channel for node in nodes if isinstance(node, Message) for channel in node.channels}
    for channel in sorted(channels):
        if channel in CHANNELS and CHANNELS[channel].waits_for_person:
            yield Omission(key, f"visits that show messages by {channel}: they wait, and count towards no cap")
    yield from _read_omissions(key, rules)


def _read_omissions(key: str, rules: Rules) -> Iterator[Omission]:
    """Find conditions that read what a simulated person does not have."""
    text = json.encode(rules).decode()
    if may_read_account(text):
        yield Omission(key, "conditions on accounts: people have none")
    if names := sorted(set(_REPLIES.findall(text))):
        yield Omission(key, f"replies and answers of people: journey.{', journey.'.join(names)}")


def select_simulated(
    campaigns: Iterable[RunningCampaign], caps: Iterable[CapRule]
) -> tuple[list[RunningCampaign], list[Omission]]:
    """Return the campaigns that can be simulated, and what is left out of all."""
    kept, omissions = list[RunningCampaign](), list[Omission]()
    has_budgets = any(rule.budget is not None for rule in caps)
    for campaign in campaigns:
        found = list(list_omissions(campaign))
        if has_budgets and campaign.rules.max_parts:
            found.append(Omission(campaign.key, "the segments of a text: it is charged for the most that it may have"))
        omissions += found
        if not any(one.leaves_out for one in found):
            kept.append(campaign)
    return kept, omissions


def list_segment_omissions(segments: DeployedSegments) -> Iterator[Omission]:
    """Iterate over the parts of segments that are not simulated."""
    if segments.reads_accounts:
        yield Omission("segments", "conditions on accounts: people have none")
    if segments.reads_devices:
        yield Omission("segments", "conditions on devices: people have none")
