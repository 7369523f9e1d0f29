"""Reactions to the messages that pages and apps were given, reported by these."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from application.callbacks import ReportGroups
from application.page_inboxes import PageInboxes
from domain.people.identity import Identity
from domain.sending.page_reactions import InvalidReactionError, PageReaction, build_reports, read_reaction
from domain.sending.providers.in_app import InAppModel
from domain.sending.reports import ProviderReport
from domain.tracking.event import Trust
from store import inbox
from store.database import Database


@dataclass(frozen=True, slots=True)
class LeftOutReaction:
    """A reaction that was not taken: its place in the body, and why."""

    index: int
    error: str


@dataclass(frozen=True, slots=True)
class ReactionResult:
    """The number of reactions that are in force, and those that were left out."""

    accepted: int
    left_out: Sequence[LeftOutReaction]


@dataclass(frozen=True, slots=True)
class PageReactions:
    """Takes the reactions of people. Once `report` returns, they are in force.

    They are reports of the inbox, as those of any provider: applied once each, and events of their journeys.
    """

    database: Database
    inboxes: PageInboxes
    groups: ReportGroups

    async def report(self, identity: Identity, items: Sequence[object], sent_at: datetime | None) -> ReactionResult:
        """Report the reactions of a person to messages of their own.

        Raises OverloadedError, or psycopg.OperationalError, if they are to be reported again.
        """
        received_at = await self.database.now()
        left_out: dict[int, str] = {}
        reactions: dict[int, PageReaction] = {}
        for index, item in enumerate(items):
            try:
                reactions[index] = read_reaction(item)
            except InvalidReactionError as error:
                left_out[index] = str(error)
        ids = {one.message_id for one in reactions.values()}
        asked = {one.message_id for one in reactions.values() if one.kind == "answered"}
        person = await self.inboxes.find(identity)
        # An anonymous id proves nothing: anyone may say these texts.
        trust = Trust.VERIFIED if identity.kind == "user" else Trust.ANONYMOUS
        async with self.database.transaction() as connection:
            own = frozenset() if person is None else await inbox.find_given(connection, person, ids)
            surveys = {} if person is None or not asked else await inbox.find_surveys(connection, person, asked)
        reports: list[ProviderReport] = []
        for index, one in reactions.items():
            if one.message_id not in own:
                left_out[index] = "this person was given no such message"
                continue
            try:
                built = build_reports(one, surveys.get(one.message_id), sent_at, received_at)
                reports += [replace(report, trust=trust) for report in built]
            except InvalidReactionError as error:
                left_out[index] = str(error)
        await self.groups.apply(InAppModel.name, reports)
        named = [LeftOutReaction(index, left_out[index]) for index in sorted(left_out)]
        return ReactionResult(len(items) - len(named), named)
