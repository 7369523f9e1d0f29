"""sojourn providers check: the accounts are tried on their servers, the senders by a real name server."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from application.catalogue import Catalogue
from application.providers import Providers
from cli import exit_codes
from cli.main import run
from domain.deployment.findings import Away
from provider_wiring import opener, probe_mail
from tests.cli.conftest import Output, no_logs
from tests.engine.test_provider_routes import CAMPAIGN, mail_server, put_providers, smtp
from tests.harness import Harness

__all__ = ["no_logs"]  # fixtures

ROOT_RECORDS = {
    "example.com.": ['"v=spf1 include:_spf.example.net " "~all"'],
    "s1._domainkey.example.com.": ['"v=DKIM1; p=MIIB"'],
    "_dmarc.example.com.": ['"v=DMARC1; p=none"'],
}


class NameServer(asyncio.DatagramProtocol):
    """Answers what it knows, and NXDOMAIN otherwise."""

    def __init__(self, texts: Mapping[str, Sequence[str]]) -> None:
        self._texts = texts

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        name = query.question[0].name
        if texts := self._texts.get(name.to_text()):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *texts))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), address)


@asynccontextmanager
async def name_server(texts: Mapping[str, Sequence[str]], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(texts), local_addr=("127.0.0.1", 0)
    )
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    monkeypatch.setattr(dns.asyncresolver, "default_resolver", resolver)
    try:
        yield
    finally:
        transport.close()


@pytest.fixture
def environment(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the processes."""
    settings = harness.settings
    for name, value in {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "LINK_SECRET": settings.link_secret.get_secret_value(),
        "WEBHOOK_SIGNING_SECRET": settings.webhook_signing_secret.get_secret_value(),
        "SMTP_HOST": settings.smtp_host,
        "SMTP_PORT": str(settings.smtp_port),
        "SMTP_SECURITY": "none",
    }.items():
        monkeypatch.setenv(f"SOJOURN_{name}", value)


async def check(capsys: Output, *options: str) -> tuple[int, str]:
    capsys.readouterr()
    status = await asyncio.to_thread(run, ["providers", "check", *options])
    return status, capsys.readouterr().out


@pytest.mark.usefixtures("environment")
async def test_the_account_of_the_settings_and_its_sender_are_checked(
    harness: Harness, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.run_campaign(CAMPAIGN.replace("CATEGORY", "marketing"))
    async with name_server(ROOT_RECORDS, monkeypatch):
        status, printed = await check(capsys)
    assert printed.splitlines() == [
        "email by smtp (smtp): ready",
        "in_app by in_app (in_app): ready",
        "webhook by http (http): ready",
        "sender example.com: its records are there",
    ]
    assert status == exit_codes.DONE


@pytest.mark.usefixtures("environment")
async def test_the_domains_that_mails_return_to_need_spf(
    harness: Harness, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOJOURN_SMTP_RETURN_DOMAIN", "bounces.example.com")
    async with name_server({"returns.example.com.": ['"v=spf1 ip4:192.0.2.1 -all"']}, monkeypatch):
        status, printed = await check(capsys)
        assert "return domain bounces.example.com: bounces.example.com has no SPF record\n  remedy: " in printed
        assert status == exit_codes.REFUSED
        account = f"kind: smtp, channel: email, host: 127.0.0.1, port: {harness.settings.smtp_port}, security: none"
        await put_providers(harness, f"providers: {{relay: {{{account}, return_domain: Returns.example.com}}}}")
        status, printed = await check(capsys)
    assert "return domain returns.example.com: its records are there\n" in printed
    assert "bounces" not in printed
    assert status == exit_codes.DONE


@pytest.mark.usefixtures("environment")
async def test_a_missing_record_and_a_missing_secret_are_problems(
    harness: Harness, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.run_campaign(CAMPAIGN.replace("CATEGORY", "marketing"))
    async with mail_server() as server, name_server({}, monkeypatch):
        secret = ", username: shop, password: {env: SOJOURN_SECRET_RELAY}"
        tls = smtp(server, secret).replace("security: none", "security: starttls")
        await put_providers(harness, f"providers: {{relay: {tls}}}")
        status, printed = await check(capsys)
        assert "email by relay (smtp): cannot send: account: the provider relay: there is no secret" in printed
        assert "sender example.com: example.com has no SPF record\n  remedy: " in printed
        assert status == exit_codes.REFUSED
        _, printed = await check(capsys, "--json")
    found = json.loads(printed)
    assert [account["provider"] for account in found["accounts"]] == ["relay", "in_app", "http"]
    assert {finding["name"] for finding in found["senders"]["example.com"]} == {"example.com", "_dmarc.example.com"}


@pytest.mark.usefixtures("environment")
async def test_a_server_that_does_not_answer_may_come_back(
    harness: Harness, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mail_server(is_away=True) as server, name_server(ROOT_RECORDS, monkeypatch):
        await put_providers(harness, f"providers: {{relay: {smtp(server)}}}")
        status, printed = await check(capsys)
    assert "email by relay (smtp): cannot send: connection: " in printed
    assert status == exit_codes.UNAVAILABLE


async def test_the_watch_of_a_deployment_names_the_provider_that_is_away(harness: Harness) -> None:
    catalogue = Catalogue(harness.settings.timezone)
    providers = Providers(catalogue, opener(harness.settings))
    async with mail_server(is_away=True) as server:
        await put_providers(harness, f"providers: {{relay: {smtp(server)}}}")
        found = await probe_mail(providers, harness.database, catalogue)
    await providers.close()
    assert isinstance(found, Away)
    assert (found.reason, found.is_refusal) == ("there is no connection, by the provider relay", False)
    assert found.remedy == "mend it, or correct `relay` in the document of providers: `sojourn providers apply`"


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("selectors", "record", "missing"),
    [
        ("", "resend._domainkey.example.com.", None),
        ("", "s1._domainkey.example.com.", "resend._domainkey.example.com"),
        (", dkim_selectors: [s1]", "s1._domainkey.example.com.", None),
        (", dkim_selectors: [s1, s2]", "s1._domainkey.example.com.", "s2._domainkey.example.com"),
    ],
)
async def test_the_keys_of_a_provider_are_sought(
    harness: Harness,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
    selectors: str,
    record: str,
    missing: str | None,
) -> None:
    await harness.run_campaign(CAMPAIGN.replace("CATEGORY", "marketing"))
    texts = {name: found for name, found in ROOT_RECORDS.items() if "_domainkey" not in name}
    async with name_server({**texts, record: ['"v=DKIM1; p=MIIB"']}, monkeypatch):
        token = "token: {env: SOJOURN_SECRET_RESEND}"
        # The last one is in no route, so its keys are not sought.
        await put_providers(
            harness,
            f"providers:\n  resend: {{kind: resend, channel: email, {token}{selectors}}}\n"
            f"  spare: {{kind: sendgrid, channel: email, {token}, dkim_selectors: [unused]}}\n"
            "routes: [{channel: email, use: [resend]}]\n",
        )
        _, printed = await check(capsys, "--json")
    found = [finding["name"] for finding in json.loads(printed)["senders"]["example.com"]]
    assert found == ([missing] if missing else [])
