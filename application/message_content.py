"""The content of a message for its recipient, with its links and its files."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from msgspec.structs import replace

from application.attachments import AttachmentFiles
from application.catalogue import LoadedVersion
from application.link_tracking import LinkTracker
from application.linked_surveys import keep_survey
from application.rendering import RENDER_SECONDS, run_in_thread
from domain.errors import UnavailableError
from domain.local_time.zones import recipient_zone
from domain.people.links import LinkPurpose, MessageLink, list_purposes
from domain.people.surroundings import recipient_locale
from domain.people.topics.subscription import read_request
from domain.sending.delivery import Unavailable
from domain.sending.senders import DeployedSenders
from domain.templates.template_sets import TemplateRenderError
from domain.templates.variables import TemplateFacts, build_variables
from store.database import Database
from store.message_claims import Claimed


class MessageContents:
    """Renders claimed messages.

    `link_url` makes the links by which a recipient unsubscribes, sets preferences and confirms a subscription, and
    `tracker` rewrites the others. `timezone` is the deployment's, for recipients without a zone of their own or their
    campaign's.
    """

    def __init__(
        self,
        database: Database,
        link_url: Callable[[LinkPurpose, MessageLink], str],
        tracker: LinkTracker,
        timezone: str,
    ) -> None:
        self._database = database
        self._link_url = link_url
        self._tracker = tracker
        self._timezone = timezone
        self._files = AttachmentFiles(database)

    def find_zone(self, claimed: Claimed, version: LoadedVersion) -> ZoneInfo:
        """Return the zone of a recipient: their own, their campaign's or the deployment's."""
        return recipient_zone(claimed.traits, claimed.context.get("timezone"), version.rules.timezone, self._timezone)

    async def render(
        self, claimed: Claimed, version: LoadedVersion, senders: DeployedSenders, now: datetime
    ) -> Mapping[str, Any] | TemplateRenderError | Unavailable:
        """Render the message, with its links and its files, or return why it cannot be."""
        urls = self.make_links(claimed)
        try:
            async with asyncio.timeout(RENDER_SECONDS):
                templates = await version.templates.compile()
                content: Mapping[str, Any] = await run_in_thread(
                    templates[claimed.template].render,
                    _variables(
                        claimed,
                        version,
                        urls,
                        self._link_url("survey", _link(claimed)),
                        self._tracker.booking_reference(claimed.id),
                        senders.postal_address,
                    ),
                    recipient_locale(claimed.traits, claimed.context),
                    self.find_zone(claimed, version),
                    now,
                    senders=senders,
                )
        except TemplateRenderError as error:
            return error
        except TimeoutError:
            return Unavailable("rendering_took_too_long", f"not rendered within {RENDER_SECONDS:.0f} s")
        try:
            content = await self._tracker.rewrite(claimed, version.rules.links, content)
            content = await keep_survey(self._database, claimed.id, content)
            return await self._files.attach(content)
        except (psycopg.OperationalError, UnavailableError):
            return Unavailable(
                "database_away", "its links or its survey could not be kept, or its attachments not be loaded"
            )

    def make_links(self, claimed: Claimed) -> Mapping[LinkPurpose, str]:
        """Make the links of a message: to refuse it, or to confirm what it asks."""
        asked = read_request(claimed.entry)
        link = _link(claimed)
        confirming = replace(link, topic=asked.topic if asked is not None else "")
        return {
            purpose: self._link_url(purpose, confirming if purpose == "confirm" else link)
            for purpose in list_purposes(claimed.category, claimed.channel, asked)
        }


def _link(claimed: Claimed) -> MessageLink:
    return MessageLink(str(claimed.profile_id), claimed.channel, str(claimed.id))


def _variables(
    claimed: Claimed,
    version: LoadedVersion,
    urls: Mapping[LinkPurpose, str],
    survey_url: str,
    booking_reference: str,
    postal_address: str | None,
) -> dict[str, Any]:
    facts = TemplateFacts(
        user_id=claimed.user_id,
        traits=claimed.traits,
        event=claimed.entry["name"],
        anonymous_id=claimed.entry["anonymous_id"],
        properties=claimed.entry["properties"],
        timestamp=claimed.entry["timestamp"],
        campaign_key=version.key,
        campaign_name=version.name,
        message_id=str(claimed.id),
        unsubscribe_url=urls.get("unsubscribe"),
        preferences_url=urls.get("preferences"),
        confirm_url=urls.get("confirm"),
        survey_url=survey_url,
        booking_reference=booking_reference,
        saved=claimed.saved,
        answers=claimed.answers,
        computed=claimed.computed,
        stage=claimed.stage,
        account=claimed.account,
        learned=claimed.learned,
        locale=recipient_locale(claimed.traits, claimed.context),
        postal_address=postal_address,
    )
    return build_variables(facts)
