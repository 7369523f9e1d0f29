"""Texts of campaigns: check them, and compare them with a version."""

from msgspec.structs import replace

from application.documents import CampaignText, Documents
from application.references import load_names
from domain.campaign.publication import Published
from domain.errors import InvalidDocumentError
from store import campaigns
from store.campaigns import Campaign, Version
from store.database import Connection, Database


async def check_campaign(database: Database, documents: Documents, text: CampaignText) -> Published:
    """Check and compile a text. No connection waits for it.

    Raises InvalidDocumentError with all problems.
    """
    async with database.own_transaction() as connection:
        names = await load_names(connection)
    return await documents.campaign(replace(text, names=names))


async def check_campaign_of(database: Database, documents: Documents, key: str, text: CampaignText) -> Published:
    """Check a text that is to be of one campaign. Raises InvalidDocumentError."""
    checked = await check_campaign(database, documents, text)
    if checked.definition.key != key:
        said = f"the document is that of campaign {checked.definition.key}, and this was asked of {key}"
        raise InvalidDocumentError([checked.source.problem(("key",), said, f"Write `key: {key}`, or ask of the other")])
    return checked


async def find_compared_version(connection: Connection, campaign: Campaign | None) -> Version | None:
    """Return the version to compare with: the running one, else the latest."""
    if campaign is None:
        return None
    return await campaigns.version(connection, campaign.key, campaign.running_version or campaign.latest_version)


def text_of(version: Version | None) -> CampaignText | None:
    """Return the text of a version."""
    return None if version is None else CampaignText(version.source, version.file, version.templates)
