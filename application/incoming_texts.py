"""Receive text messages of people, and their choices: events, refusals, answers."""

from collections.abc import Mapping
from typing import Final
from uuid import uuid5

import msgspec
import structlog
from msgspec.structs import replace

from application.address_statements import state_refusal
from application.callbacks import ReportGroups
from application.catalogue import Catalogue
from application.ingest import Ingest
from application.ingest_claims import BatchPart
from application.providers import ProviderSource
from domain.channels.kinds import CHANNELS
from domain.deployment_documents import REPLIES
from domain.people.address_statements import LinkStatement, ReportedRefusal
from domain.people.consent import OPT_OUT, STOP
from domain.people.registers import stamp
from domain.sending.address_reports import find_address_refusal
from domain.sending.delivery import Accepted, Outbound
from domain.sending.incoming_texts import IncomingText, MarketingChoice
from domain.sending.marketing_choices import build_choice_events, find_choice_id
from domain.sending.providers.text_model import TextModel
from domain.sending.replies_document import find_patterns
from domain.sending.report_events import build_text_event, find_event_id
from domain.sending.reports import ProviderReport, TextReply, tidy_text
from domain.sending.routes import ProviderRule
from domain.tracking.identifiers import STANDARD_PLACEHOLDERS
from domain.tracking.item_error import ItemError
from domain.tracking.rejects import ALL_RECORDED, RejectCollector
from store import addresses, callback_ids, campaigns, documents, incoming_texts
from store.database import Connection, Database
from store.incoming_texts import TextAuthor

_UNKNOWN: Final = "a text message from a number that no person has"

_log = structlog.get_logger(__name__)


class IncomingTexts:
    """Receives texts and choices. Once `receive` returns, their effects are in force."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        groups: ReportGroups,
        ingest: Ingest,
        providers: ProviderSource,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._groups = groups
        self._ingest = ingest
        self._providers = providers

    async def receive(self, rule: ProviderRule, received: IncomingText | MarketingChoice) -> None:
        """Apply what a text or a choice says, once however often it comes.

        Raises UnavailableError or psycopg.OperationalError if it is to come again.
        """
        match received:
            case IncomingText():
                await self._receive_text(rule, tidy_text(received))
            case MarketingChoice():
                await self._receive_choice(rule, received)

    async def _receive_text(self, rule: ProviderRule, text: IncomingText) -> None:
        now = await self._database.now()
        address = rule.channel, text.sender
        async with self._database.transaction() as connection:
            author = await incoming_texts.find_author(connection, rule.name, *address)
            if CHANNELS[rule.channel].has_window:
                # Before the event, by which a campaign may answer at once.
                await addresses.ensure(connection, {address})
                await addresses.note_text(connection, address, rule.name, now - text.age)
            refused = await (await addresses.find_refused(connection, (), [address])).get()
            patterns = find_patterns((await documents.latest(connection, REPLIES)).rules, text.text)
        report = ProviderReport(
            kind="replied",
            event_id=text.event_id,
            message_id=None if author is None else author.message_id,
            at=now,
            provider_id=text.provider_id,
            reply=TextReply(text.text, text.meaning, patterns),
        )
        if report.message_id is not None:
            await self._groups.apply(rule.name, [report])
        elif author is not None:
            await self._report_alone(rule, report, author, text.sender)
        else:
            await self._keep(rule, report, text)
        await self._answer(rule, report, text, refused.get(address, {}), None if author is None else author.locale)

    async def _receive_choice(self, rule: ProviderRule, choice: MarketingChoice) -> None:
        """State the consent of the person, and what their number refuses."""
        now = await self._database.now()
        at = now - choice.age
        reason = None if choice.is_wanted else "the person stopped marketing at the provider"
        async with self._database.transaction() as connection:
            author = await incoming_texts.find_author(connection, rule.name, rule.channel, choice.sender)
            if author is None:
                said = stamp(at, str(find_choice_id(rule.name, choice.event_id)), f"text:{rule.name}")
                await state_refusal(connection, (rule.channel, choice.sender), OPT_OUT, reason, said)
        if author is not None:
            ids = author.user_id, author.anonymous_id
            events = build_choice_events(rule.name, rule.channel, choice.event_id, at, *ids, is_wanted=choice.is_wanted)
            by_link = LinkStatement(rule.channel, choice.sender, {OPT_OUT: reason})
            await self._ingest(events, received_at=now, by_link=by_link)

    async def _report_alone(self, rule: ProviderRule, report: ProviderReport, author: TextAuthor, number: str) -> None:
        """Report the text of a person who got no message from the provider."""
        event = build_text_event(rule.name, rule.channel, report, author.user_id, author.anonymous_id)
        refusal = find_address_refusal(report, is_row_full=False)
        refusals = {} if refusal is None else {event.id: ReportedRefusal(rule.channel, number, *refusal)}

        async def prepare(_connection: Connection) -> BatchPart:
            return BatchPart([event], range(1), (), ALL_RECORDED, report.at, None, refusals)

        await self._ingest.ingest_prepared(prepare)

    async def _keep(self, rule: ProviderRule, report: ProviderReport, text: IncomingText) -> None:
        """Keep a text of an unknown number among the rejects, and its refusal."""
        refusal = find_address_refusal(report, is_row_full=False)
        async with self._database.transaction() as connection:
            is_new = await callback_ids.claim(connection, rule.name, [report.event_id], report.at)
            if refusal is not None and is_new:
                id = str(find_event_id(rule.name, report))
                said = stamp(report.at, id, f"text:{rule.name}")
                await state_refusal(connection, (rule.channel, text.sender), *refusal, said)
        if is_new:
            collector = RejectCollector(rule.channel, names_users=False)
            body = msgspec.json.encode({"from": text.sender, "text": text.text})
            collector.refuse(0, body, ItemError(_UNKNOWN), STANDARD_PLACEHOLDERS)
            rejects, unrecorded = collector.finish()
            await self._ingest([], rejects, unrecorded=unrecorded, received_at=report.at)

    async def _answer(
        self,
        rule: ProviderRule,
        report: ProviderReport,
        text: IncomingText,
        refused: Mapping[str, str | None],
        locale: str | None,
    ) -> None:
        """Answer a word at most once, and HELP once a day, in the person's language.

        `refused` are the refusals before the text. An attempt that dies here leaves the text without an answer, and
        never with two.
        """
        model, word = rule.model(), text.meaning
        answer = model.find_answer(word, locale) if isinstance(model, TextModel) and word is not None else None
        is_stopped = refused.get(STOP) is not None
        if answer is None or (word == "stop" and is_stopped) or (word == "start" and not is_stopped):
            return
        claims = [f"answer {text.event_id}"]
        if word == "help":
            # Two machines that answer each other would never end. The id tells no number.
            asked = replace(report, event_id=f"help {text.sender} {report.at.date()}")
            claims.append(f"help {find_event_id(rule.name, asked)}")
        async with self._database.transaction() as connection:
            is_new = len(await callback_ids.claim(connection, rule.name, claims, report.at)) == len(claims)
            revision = await campaigns.lock_registry_shared(connection)
            found = await self._providers.find(connection, revision, rule.channel, rule.name)
        if not is_new or found is None:
            return
        id = uuid5(find_event_id(rule.name, report), "answer")
        delivery = await found.provider.deliver(Outbound(str(id), {"text": answer}, report.at, None), text.sender)
        if not isinstance(delivery, Accepted):
            _log.warning("failed to answer text", provider=rule.name, word=word, delivery=type(delivery).__name__)
