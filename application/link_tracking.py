"""Own tracking of links: rewritten, followed by clients, and reported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from application.link_clients import read_client
from application.reports import Reports
from application.trait_sweeper import SweepResult
from domain.campaign.rules import LinkRule
from domain.channels.kinds import CHANNELS
from domain.errors import InvalidLinkError
from domain.sending.reports import ProviderReport
from domain.sending.tracking import tokens
from domain.sending.tracking.links import LinkRewriting
from domain.sending.tracking.tokens import BOOKING, PIXEL, REPORT, TRAP, TrackedLink
from domain.sending.tracking.verdicts import judge
from store import tracked_links
from store.database import Database
from store.message_claims import Claimed
from store.tracked_links import DueHit

# Hits of one look.
PAGE = 200


@dataclass(frozen=True, slots=True)
class LinkTracker:
    """Rewrites the links of messages.

    `url` is where links lead: the address of the API, or another of the same. `own` begins the addresses of the
    API. The first of the `secrets` signs.
    """

    database: Database
    secrets: Sequence[str]
    url: str
    own: str

    def report_url(self, message_id: UUID) -> str:
        """Return where a device reports what becomes of a message."""
        return f"{self.url}/p/{tokens.sign(self.secrets, TrackedLink(message_id, REPORT))}"

    def booking_reference(self, message_id: UUID) -> str:
        """Return the signed reference to a message that its booking links carry."""
        return tokens.sign(self.secrets, TrackedLink(message_id, BOOKING))

    async def rewrite(self, claimed: Claimed, rule: LinkRule, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the content of a message with its links rewritten, as its campaign wants.

        Their targets are kept before the message goes. Raises psycopg.OperationalError while the database is away.
        """
        is_tracked = rule.tracks(claimed.category)
        tracks_clicks, tracks_opens = rule.clicks and is_tracked, rule.opens and is_tracked
        utm = rule.find_utm(claimed.campaign_key, claimed.step)
        if utm is None and not tracks_clicks and not tracks_opens:
            return content
        known: Sequence[str] = ()
        if claimed.attempts and is_tracked:
            async with self.database.transaction() as connection:
                known = await tracked_links.find_targets(connection, claimed.id)

        def address(number: int) -> str:
            return f"{self.url}/c/{tokens.sign(self.secrets, TrackedLink(claimed.id, number))}"

        pixel = tokens.sign(self.secrets, TrackedLink(claimed.id, PIXEL))
        wanted = LinkRewriting(
            own=self.own,
            utm=utm,
            link_url=address if tracks_clicks else None,
            trap_url=address(TRAP) if tracks_clicks else None,
            pixel_url=f"{self.url}/o/{pixel}.gif" if tracks_opens else None,
            known=known,
        )
        found = CHANNELS[claimed.channel].rewrite_links(content, wanted)
        if is_tracked and (found.targets or tracks_opens):
            async with self.database.transaction() as connection:
                await tracked_links.keep(connection, claimed.id, found.targets)
        return found.content


@dataclass(frozen=True, slots=True)
class FollowedLinks:
    """Notes who follows the links of messages, and leads on."""

    database: Database
    secrets: Sequence[str]

    async def follow(self, token: str, user_agent: str | None, *, is_head: bool = False) -> str | None:
        """Note a request for a link; return its target, None for the hidden one.

        Raises InvalidLinkError for a token that is not ours, and for a message that is no longer known.
        """
        link = tokens.read(self.secrets, token)
        if link.number in (PIXEL, REPORT, BOOKING):
            raise InvalidLinkError("this link is not valid")
        return await self._record(link, user_agent, is_head=is_head)

    async def confirm(self, token: str, user_agent: str | None) -> None:
        """Note that a person saw the page behind a link. Raises InvalidLinkError."""
        link = tokens.read(self.secrets, token)
        if link.number in (PIXEL, REPORT, TRAP, BOOKING):
            raise InvalidLinkError("this link is not valid")
        await self._record(link, user_agent, is_confirmed=True)

    async def open(self, token: str, user_agent: str | None) -> None:
        """Note that the image of a message was fetched. Raises InvalidLinkError."""
        link = tokens.read(self.secrets, token)
        if link.number != PIXEL:
            raise InvalidLinkError("this link is not valid")
        await self._record(link, user_agent)

    async def _record(
        self, link: TrackedLink, user_agent: str | None, *, is_head: bool = False, is_confirmed: bool = False
    ) -> str | None:
        async with self.database.transaction() as connection:
            target = await tracked_links.record_hit(
                connection,
                link.message_id,
                link.number,
                read_client(user_agent),
                is_head=is_head,
                is_confirmed=is_confirmed,
            )
        if target is None or (target.url is None and link.number not in (PIXEL, TRAP)):
            raise InvalidLinkError("this link is no longer valid")
        return target.url


@dataclass(frozen=True, slots=True)
class LinkVerdicts:
    """Reports clicks and openings by their verdicts. One worker at a time does it."""

    database: Database
    reports: Reports
    name: str = "links"

    async def sweep(self) -> SweepResult:
        """Judge what is due, one page of it, and report it as a provider does."""
        async with self.database.transaction() as connection:
            due_at = await tracked_links.next_due(connection)
            now = connection.clock.now()
        if due_at is None or due_at > now:
            return SweepResult(0, 0.0, None if due_at is None else (due_at - now).total_seconds())
        async with self.database.transaction() as connection:
            if not await tracked_links.lock(connection):
                return SweepResult(0, 0.0, 0.0)
            hits = await tracked_links.find_due(connection, now, PAGE)
            due = await tracked_links.select_open(connection, [one.hit.id for one in hits], now)
            verdicts = {id: is_person for id, is_person in _judge(hits).items() if id in due}
            # Before the verdicts are written: a crash in between repeats reports, which changes nothing.
            await self._report([one for one in hits if one.hit.id in due], verdicts, now)
            await tracked_links.write_verdicts(connection, verdicts)
        return SweepResult(len(verdicts), (now - due_at).total_seconds(), 0.0)

    async def _report(self, hits: Sequence[DueHit], verdicts: Mapping[int, bool], now: datetime) -> None:
        by_provider: dict[str, list[ProviderReport]] = {}
        for one in hits:
            if one.hit.number != TRAP and one.provider is not None:
                report = _report_of(one, is_person=verdicts[one.hit.id])
                by_provider.setdefault(one.provider, []).append(report)
        for provider, reports in by_provider.items():
            await self.reports.apply(provider, reports, received_at=now)


def _judge(hits: Sequence[DueHit]) -> dict[int, bool]:
    verdicts: dict[int, bool] = {}
    for _, group in groupby(hits, key=lambda one: one.message_id):
        of_message = list(group)
        verdicts |= judge([one.hit for one in of_message], of_message[0].sent_at)
    return verdicts


def _report_of(one: DueHit, *, is_person: bool) -> ProviderReport:
    is_open = one.hit.number == PIXEL
    return ProviderReport(
        kind="opened" if is_open else "clicked",
        event_id=f"own-{one.hit.id}",
        message_id=one.message_id,
        at=one.hit.at,
        is_machine=not is_person,
        link=one.link,
    )
