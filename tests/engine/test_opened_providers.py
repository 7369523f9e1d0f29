"""Providers are opened by the ledger's names: those in force, those that were removed, and those that cannot be."""

from collections.abc import AsyncIterator

import pytest

from application.catalogue import Catalogue
from application.deployment_documents import DeploymentDocuments
from application.providers import FoundProvider, Providers
from channels.email.smtp import Smtp
from channels.provider_kind import ProviderContext
from channels.registry import open_provider
from domain.access import SOJOURN
from domain.deployment_documents import PROVIDERS
from domain.sending.delivery import ACCOUNT, Unavailable
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.provider_secrets import ProviderSecrets
from runtime.documents import DocumentProcesses
from store import campaigns
from store.database import Database
from tests.channels.messages import ADDRESS, MAIL

SECRETS = ProviderSecrets([BoundSecret("password", ("mail.example.com",), "SOJOURN_SECRET_RELAY")])
CONTEXT = ProviderContext(SECRETS, smtp={"host": "localhost", "port": 587})


class Opened:
    """The providers of a process, and the means to apply documents."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._documents = DeploymentDocuments(database, DocumentProcesses())
        self._providers = Providers(Catalogue(), lambda rule: open_provider(rule, CONTEXT))

    async def apply(self, *providers: str) -> None:
        source = "providers:\n" + "".join(f"  {one}\n" for one in providers) if providers else "providers: {}\n"
        await self._documents.put(PROVIDERS, source, "providers.yaml", by=SOJOURN)

    async def find(self, name: str | None, channel: str = "email") -> FoundProvider | None:
        async with self._database.transaction() as connection:
            revision = await campaigns.lock_registry_shared(connection)
            return await self._providers.find(connection, revision, channel, name)


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Opened]:
    async with Database(database_url, pool_size=2) as database:
        yield Opened(database)


async def test_without_a_document_the_settings_deliver(opened: Opened) -> None:
    for name in (None, "smtp"):
        found = await opened.find(name)
        assert found is not None
        assert (found.name, found.is_in_force, found.has_account) == ("smtp", True, True)
    hook = await opened.find(None, "webhook")
    assert hook is not None
    assert (hook.name, hook.has_account) == ("http", False)
    assert await opened.find("never") is None


async def test_a_removed_provider_is_opened_as_the_document_last_had_it(opened: Opened) -> None:
    await opened.apply("relay: {kind: smtp, channel: email, host: mail.example.com}")
    in_force = await opened.find("relay")
    of_settings = await opened.find("smtp")
    await opened.apply("other: {kind: smtp, channel: email, host: mail.example.net}")
    removed = await opened.find("relay")
    assert in_force is not None
    assert of_settings is not None
    assert removed is not None
    assert (in_force.is_in_force, of_settings.is_in_force, removed.is_in_force) == (True, False, False)
    assert removed.provider is in_force.provider


async def test_other_settings_open_it_anew(opened: Opened) -> None:
    await opened.apply("relay: {kind: smtp, channel: email, host: mail.example.com}")
    first = await opened.find("relay")
    await opened.apply("relay: {kind: smtp, channel: email, host: mail.example.com}", "# a comment")
    same = await opened.find("relay")
    await opened.apply("relay: {kind: smtp, channel: email, host: mail.example.org}")
    other = await opened.find("relay")
    assert first is not None
    assert same is not None
    assert other is not None
    assert first.provider is same.provider
    assert other.provider is not first.provider


@pytest.mark.parametrize(
    ("server", "env", "said"),
    [
        ("mail.example.com", "SOJOURN_SECRET_OTHER", "there is no secret SOJOURN_SECRET_OTHER"),
        ("evil.example", "SOJOURN_SECRET_RELAY", "is bound to mail.example.com, and may not go to evil.example"),
    ],
    ids=["missing", "bound"],
)
async def test_a_provider_without_its_secret_hands_nothing_over(
    opened: Opened, server: str, env: str, said: str
) -> None:
    await opened.apply(f"relay: {{kind: smtp, channel: email, host: {server}, username: u, password: {{env: {env}}}}}")
    found = await opened.find("relay")
    assert found is not None
    delivery = await found.provider.deliver(MAIL, ADDRESS)
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == ACCOUNT
    assert said in delivery.detail
    assert "password" not in delivery.detail.replace("password:", "")


async def test_a_secret_goes_to_the_host_that_it_is_bound_to(opened: Opened) -> None:
    secret = "username: u, password: {env: SOJOURN_SECRET_RELAY}"
    await opened.apply(f"relay: {{kind: smtp, channel: email, host: mail.example.com, {secret}}}")
    found = await opened.find("relay")
    assert found is not None
    assert isinstance(found.provider, Smtp)
