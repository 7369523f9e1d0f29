"""The page triggers that some rule in force asks for."""

from collections.abc import Sequence

from application.catalogue import Catalogue
from domain.deployment_documents import PAGE_TRIGGERS
from domain.document.yaml_source import read
from domain.errors import Problem
from domain.journey.listeners import list_triggers
from domain.tracking.page_triggers import PageTrigger, select_heard
from store import campaigns, computed_traits, documents
from store.database import Connection, Database


class PageTriggers:
    """Tells pages what to report."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def list_heard(self) -> Sequence[PageTrigger]:
        """Return the triggers whose event a campaign or a computed trait names now."""
        async with self._database.transaction() as connection:
            revision = await campaigns.lock_registry_shared(connection)
            return await self._catalogue.page_triggers_at(connection, revision)


async def list_events(connection: Connection) -> set[str]:
    """Return the events that pages may report by themselves."""
    return {one.event for one in (await documents.latest(connection, PAGE_TRIGGERS)).rules}


async def warn_of_unheard(
    connection: Connection, triggers: Sequence[PageTrigger], text: str, file: str
) -> list[Problem]:
    """Warn about events that no campaign and no computed trait names."""
    rules = (await campaigns.latest_rules(connection)).values()
    asked = {trigger for one in rules for trigger in list_triggers(one)}
    traits = (await computed_traits.load_deployed(connection)).following
    heard = select_heard(triggers, lambda trigger: trigger in asked or traits.names(trigger))
    source = read(text, file)
    return [
        source.problem(
            ("triggers", place, "event"),
            f"no campaign and no computed trait names `{one.event}`",
            "Apply it all the same: pages report it once one does",
        )
        for place, one in enumerate(triggers)
        if one not in heard
    ]
