"""Use cases of the templates of single messages: publish, list and show."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from application.attachments import insert_with_files
from application.documents import CampaignText, Documents
from application.references import load_names, require_names
from domain.access import Actor
from domain.campaign.life import RUNNING
from domain.campaign.plan import Send
from domain.campaign.publication import Published
from domain.campaign.rules import EntryRule
from domain.errors import NotFoundError, Problem
from domain.sending.single_messages import REQUESTED, STEP, split_template_key, template_key
from domain.suggestions import did_you_mean
from store import audit, campaigns, single_messages
from store.campaigns import Version
from store.database import Connection, Database
from store.single_messages import StoredTemplate

_DATA: Final = "entry.properties."
# The names of CEL, without its words.
_PLAIN: Final = re.compile(r"(?!(?:false|in|null|true)\Z)[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """A template as its author wrote it: its files by name, in all languages.

    `category` is that of messages whose request names none, and `send_window` their quiet hours, as a campaign writes
    them; transactional ones have none.
    """

    channel: str
    name: str
    files: Mapping[str, str]
    category: str
    send_window: Mapping[str, Any] | None = None

    def document(self, needs: tuple[str, ...] = ()) -> str:
        """Return the campaign of one step by whose rules the template is checked.

        Values that each request must have are required of its entry, so that there is no warning about them.
        """
        where = " && ".join(f"event.properties.{path} != null" for path in needs)
        document: dict[str, Any] = {
            "key": STEP,
            "name": self.name,
            "entry": {"event": REQUESTED, **({"where": where} if where else {})},
            "steps": [
                {"id": STEP, "send": {"channel": self.channel, "template": self.name, "category": self.category}}
            ],
        }
        if self.send_window is not None:
            document["send_window"] = self.send_window
        return json.dumps(document, indent=1)


@dataclass(frozen=True, slots=True)
class PublishedTemplate:
    """The version of a template, whether it is new, and its warnings."""

    channel: str
    name: str
    version: int
    created: bool
    needs: list[str]
    warnings: list[Problem]


@dataclass(frozen=True, slots=True)
class TemplateView:
    """A template in force. `needs` are the values that `data` must have."""

    channel: str
    name: str
    version: int
    category: str
    needs: list[str]
    files: dict[str, str]
    published_at: datetime


class MessageTemplates:
    """Publishes templates. The latest version of each is in force."""

    def __init__(self, database: Database, documents: Documents) -> None:
        self._database = database
        self._documents = documents

    async def publish(self, template: NewTemplate, *, by: Actor) -> PublishedTemplate:
        """Publish a version, unless the latest is the same, or refuse it with its faults."""
        async with self._database.own_transaction() as connection:
            names = await load_names(connection)

        async def check(needs: tuple[str, ...]) -> Published:
            return await self._documents.campaign(
                CampaignText(template.document(needs), f"{template.name}.yaml", template.files, names)
            )

        checked = await check(())
        needs = tuple(
            sorted(path.removeprefix(_DATA) for path in checked.needs if path.startswith(_DATA) and _is_plain(path))
        )
        if needs:
            checked = await check(needs)
        key = template_key(template.channel, template.name)
        rules = replace(checked.rules, entry=EntryRule(), needs=needs)
        async with self._database.transaction() as connection:
            await campaigns.lock_registry_exclusive(connection)
            latest = await campaigns.latest_version(connection, key)
            source = template.document()
            if latest is not None and (latest.source, latest.templates) == (source, checked.templates):
                return _build_result(template, latest.version, needs, checked, created=False)
            number = latest.version + 1 if latest else 1
            version = Version(
                campaign_key=key,
                version=number,
                name=template.name,
                stage=None,
                file=f"{template.name}.yaml",
                source=source,
                templates=checked.templates,
                compiled_bodies=checked.compiled_bodies,
                plan=checked.plan,
                rules=rules,
            )
            await insert_with_files(connection, version)
            await require_names(connection, key, number)
            await campaigns.change(connection, key, state=RUNNING, running_version=number, exiting=(), by=by)
            await audit.record(connection, by, "template.publish", key, {"version": number})
        return _build_result(template, number, needs, checked, created=True)

    async def list(self) -> list[TemplateView]:
        """Return the templates in force, by channel and name."""
        async with self._database.transaction() as connection:
            return [_build_view(stored) for stored in await single_messages.list_templates(connection)]

    async def get(self, channel: str, name: str) -> TemplateView:
        """Return a template in force. Raises NotFoundError."""
        async with self._database.transaction() as connection:
            stored = await single_messages.find_template(connection, template_key(channel, name))
            if stored is None:
                raise await unknown_template(connection, channel, name)
            return _build_view(stored)


async def unknown_template(connection: Connection, channel: str, name: str) -> NotFoundError:
    """Return the refusal of a template that was never published."""
    known = [split_template_key(one.key) for one in await single_messages.list_templates(connection)]
    names = [one[1] for one in known if one is not None and one[0] == channel]
    hint = did_you_mean(name, names, "Published")
    return NotFoundError(f"there is no template {name} for {channel}: publish it first. {hint}", template=name)


def _is_plain(path: str) -> bool:
    """Return whether a path can stand in a condition of the entry."""
    return all(_PLAIN.fullmatch(part) for part in path.split("."))


def _build_result(
    template: NewTemplate, version: int, needs: tuple[str, ...], checked: Published, *, created: bool
) -> PublishedTemplate:
    return PublishedTemplate(template.channel, template.name, version, created, list(needs), checked.warnings)


def _build_view(stored: StoredTemplate) -> TemplateView:
    channel, _, name = stored.key.partition(":")
    node = stored.plan.node(STEP)
    category = node.category if isinstance(node, Send) else ""
    return TemplateView(
        channel, name, stored.version, category, list(stored.rules.needs), stored.templates, stored.published_at
    )
