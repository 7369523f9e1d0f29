"""Check the accounts of providers and the senders of mails, without sending."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from application.ad_flush import AdPlatforms
from application.catalogue import Catalogue
from application.providers import Providers
from domain.ad_audiences.rules import AdAccountRule
from domain.deployment_documents import AUDIENCES, SENDERS
from domain.errors import InvalidRequestError
from domain.people.addresses import parse_mailbox
from domain.sending.delivery import ACCOUNT, Unavailable
from domain.sending.routes import ProviderRule
from domain.sending.sender_records import (
    DkimSelectors,
    RecordFinding,
    SenderDomain,
    find_faults,
    find_return_faults,
    is_aligned,
    list_names,
)
from domain.sending.senders import DeployedSenders
from domain.templates.front_matter import parse
from store import campaigns, documents
from store.database import Database

TextLookUp = Callable[[Iterable[str]], Awaitable[Mapping[str, Sequence[str]]]]


class AccountCheck(Struct, frozen=True):
    """An account, and why it cannot send; `failure` is None if it can.

    The channel of an ad account is `audiences`.
    """

    provider: str
    kind: str
    channel: str
    failure: Unavailable | None


class ProviderChecks(Struct, frozen=True):
    """The accounts, and the records that are missing or wrong.

    They are by the domain of the sender, or by that which mails return to.
    """

    accounts: list[AccountCheck]
    senders: dict[str, list[RecordFinding]]
    return_domains: dict[str, list[RecordFinding]]


async def check_providers(
    database: Database,
    catalogue: Catalogue,
    providers: Providers,
    platforms: AdPlatforms,
    look_up: TextLookUp,
    return_domain: str | None,
) -> ProviderChecks:
    """Try each account of the document, or of the settings, and look up each sender.

    `return_domain` is that of the mail server of the settings.
    """
    async with database.transaction() as connection:
        deployed = await catalogue.load_providers(connection)
        templates = await campaigns.running_templates(connection)
        named = DeployedSenders((await documents.latest(connection, SENDERS)).rules)
    rules = [rule for channel in sorted(deployed.channels) for rule in deployed.find_providers(channel)]
    failures = await asyncio.gather(*(providers.open(rule).check() for rule in rules))
    accounts = [
        AccountCheck(rule.name, rule.kind, rule.channel, failure) for rule, failure in zip(rules, failures, strict=True)
    ]
    accounts += [await _check_platform(platforms, rule) for rule in deployed.ad_accounts.values()]
    keys = [key for rule in rules for key in _find_keys(rule)]
    used = {name for route in deployed.routes_of("email") for name in route.use}
    signers = {rule.name: signer for rule in rules if rule.name in used and (signer := _find_signer(rule)) is not None}
    mailboxes = [*_find_senders(templates), *(rule.mailbox for rule in named.by_owner.values())]
    senders = [_with_keys(domain, keys, signers) for domain in sorted(set(_find_domains(mailboxes)))]
    return_domains = sorted({name for rule in rules if (name := _find_return_domain(rule, return_domain)) is not None})
    texts = await look_up([*(name for sender in senders for name in list_names(sender)), *return_domains])
    return ProviderChecks(
        accounts,
        {sender.domain: list(find_faults(sender, texts)) for sender in senders},
        {domain: list(find_return_faults(domain, texts)) for domain in return_domains},
    )


async def _check_platform(platforms: AdPlatforms, rule: AdAccountRule) -> AccountCheck:
    try:
        failure = await (await platforms.open(rule)).check()
    except InvalidRequestError as error:
        failure = Unavailable(ACCOUNT, error.detail)
    return AccountCheck(rule.name, rule.kind, AUDIENCES.name, failure)


def _find_senders(templates: Iterable[tuple[str, str]]) -> Iterable[str]:
    for file, text in templates:
        source, _ = parse(file, text)
        if source is not None and "from" in source.fields:
            yield source.fields["from"].value


def _find_domains(senders: Iterable[str]) -> Iterable[str]:
    for sender in senders:
        mailbox = parse_mailbox(sender)
        if mailbox is not None and mailbox.address.ascii is not None:
            yield mailbox.address.ascii.rpartition("@")[2].lower()


def _find_keys(rule: ProviderRule) -> Iterable[tuple[str, str]]:
    """Iterate over the domains and selectors of a provider's DKIM keys."""
    try:
        yield from rule.model().dkim_keys() if rule.settings else ()
    except (KeyError, ValueError):
        # The account's check says so.
        return


def _find_signer(rule: ProviderRule) -> DkimSelectors | None:
    """Return the selectors of a provider's keys in the domains of its senders."""
    try:
        return rule.model().dkim_signer() if rule.settings else None
    except (KeyError, ValueError):
        # The account's check says so.
        return None


def _find_return_domain(rule: ProviderRule, of_settings: str | None) -> str | None:
    """Return the domain that a provider's mails return to, if Sojourn chooses it."""
    try:
        return rule.model().find_return_domain() if rule.settings else of_settings if rule.kind == "smtp" else None
    except (KeyError, ValueError):
        # The account's check says so.
        return None


def _with_keys(domain: str, keys: Iterable[tuple[str, str]], signers: Mapping[str, DkimSelectors]) -> SenderDomain:
    ours = [key for key in keys if domain == key[0] or domain.endswith(f".{key[0]}")]
    aligned = {name: one for name, one in signers.items() if one.domain is None or is_aligned(domain, one.domain)}
    return SenderDomain(domain, tuple(dict.fromkeys(ours)), aligned)
