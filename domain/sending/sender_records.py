"""The DNS records by which receivers of mail know a sender: SPF, DKIM and DMARC.

Gmail, Yahoo and Outlook ask senders of much mail for all three.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

DKIM_ZONE: Final = "_domainkey"
DMARC_ZONE: Final = "_dmarc"

# The texts of a name by that name; empty where it has none, and absent where the look-up failed.
TextRecords = Mapping[str, Sequence[str]]


class RecordFinding(Struct, frozen=True):
    """A record that is missing or wrong, with the remedy."""

    name: str
    problem: str
    remedy: str


class DkimSelectors(Struct, frozen=True):
    """The selectors by which a provider signs: all of them, or one of its usual ones.

    The keys are in `domain`, else in the domain of the sender or one above it.
    """

    selectors: tuple[str, ...]
    needs_all: bool
    domain: str | None = None


class SenderDomain(Struct, frozen=True):
    """The domain of a sender, and the keys that sign its mails.

    `keys` are a domain, which may be above it, and a selector each. `signers` are providers that may send its mails, by
    their names.
    """

    domain: str
    keys: tuple[tuple[str, str], ...] = ()
    signers: Mapping[str, DkimSelectors] = {}


def list_names(sender: SenderDomain) -> list[str]:
    """Return the names whose texts `find_faults` reads."""
    keys = [_key_name(domain, selector) for domain, selector in sender.keys]
    sought = [
        name
        for signer in sender.signers.values()
        for selector in signer.selectors
        for name in _key_names(sender, signer, selector)
    ]
    dmarc = [f"{DMARC_ZONE}.{domain}" for domain in _domains_above(sender.domain)]
    return list(dict.fromkeys([sender.domain, *keys, *sought, *dmarc]))


def is_aligned(domain: str, other: str) -> bool:
    """Return whether one domain is the other, or above or below it."""
    return domain == other or domain.endswith(f".{other}") or other.endswith(f".{domain}")


def find_faults(sender: SenderDomain, texts: TextRecords) -> Iterator[RecordFinding]:
    """Return what receivers would find wrong with a sender."""
    failed = [name for name in list_names(sender) if name not in texts]
    if failed:
        yield _report_failure(failed[0])
        return
    yield from _check_spf(sender.domain, texts[sender.domain])
    for domain, selector in sender.keys:
        name = _key_name(domain, selector)
        yield from _check_dkim(name, texts[name])
    for provider, signer in sender.signers.items():
        yield from _check_signer(sender, provider, signer, texts)
    yield from _check_dmarc(sender.domain, texts)


def find_return_faults(domain: str, texts: TextRecords) -> Iterator[RecordFinding]:
    """Return what receivers would find wrong with a domain that mails return to.

    They look up SPF there, and not at the sender (RFC 7208, 2.4).
    """
    if domain not in texts:
        yield _report_failure(domain)
    else:
        yield from _check_spf(domain, texts[domain])


def _report_failure(name: str) -> RecordFinding:
    return RecordFinding(name, "could not be looked up", "check the name servers of this machine, and try again")


def _check_spf(domain: str, texts: Sequence[str]) -> Iterator[RecordFinding]:
    records = [text for text in texts if text.lower().split(" ")[0] == "v=spf1"]
    if not records:
        remedy = "add a TXT record that names the servers of your providers: `v=spf1 include:… ~all`"
        yield RecordFinding(domain, "has no SPF record", remedy)
    elif len(records) > 1:
        # RFC 7208, 4.5.
        yield RecordFinding(domain, f"has {len(records)} SPF records, and so none that counts", "join them into one")
    elif {"+all", "all"} & set(records[0].lower().split()):
        yield RecordFinding(
            domain, "lets every server send in its name, by SPF", "end the record with `~all` or `-all`"
        )


def _check_dkim(name: str, texts: Sequence[str]) -> Iterator[RecordFinding]:
    keys = [_tags(text).get("p") for text in texts if "p" in _tags(text)]
    if not keys:
        yield RecordFinding(name, "has no DKIM key", "add the TXT or CNAME record that the provider names")
    elif not any(keys):
        # RFC 6376, 3.6.1.
        yield RecordFinding(name, "has a revoked DKIM key", "choose the selector of the present key")


def _check_signer(
    sender: SenderDomain, provider: str, signer: DkimSelectors, texts: TextRecords
) -> Iterator[RecordFinding]:
    found = [
        next((name for name in _key_names(sender, signer, selector) if texts[name]), None)
        for selector in signer.selectors
    ]
    for name in (name for name in found if name is not None):
        yield from _check_dkim(name, texts[name])
    if signer.needs_all:
        missing = [selector for selector, name in zip(signer.selectors, found, strict=True) if name is None]
    else:
        missing = [] if any(found) else [signer.selectors[0]]
    for selector in missing:
        named = "add the TXT or CNAME record that the provider names" + (
            "" if signer.needs_all else "; if it has another name, write it into `dkim_selectors`"
        )
        name = _key_names(sender, signer, selector)[0]
        yield RecordFinding(name, f"has no DKIM key, by which {provider} would sign", named)


def _key_names(sender: SenderDomain, signer: DkimSelectors, selector: str) -> list[str]:
    domains = [signer.domain] if signer.domain is not None else _domains_above(sender.domain)
    return [_key_name(domain, selector) for domain in domains]


def _key_name(domain: str, selector: str) -> str:
    return f"{selector}.{DKIM_ZONE}.{domain}"


def _check_dmarc(domain: str, texts: TextRecords) -> Iterator[RecordFinding]:
    for above in _domains_above(domain):
        name = f"{DMARC_ZONE}.{above}"
        records = [text for text in texts[name] if _tags(text).get("v") == "DMARC1"]
        if len(records) > 1:
            yield RecordFinding(name, f"has {len(records)} DMARC records, and so none that counts", "keep one of them")
            return
        if records:
            if "p" not in _tags(records[0]):
                yield RecordFinding(name, "has a DMARC record without a policy", "add `p=none`, or a stricter one")
            return
    remedy = "add a TXT record: `v=DMARC1; p=none; rua=mailto:…`"
    yield RecordFinding(f"{DMARC_ZONE}.{domain}", "has no DMARC record", remedy)


def _domains_above(domain: str) -> list[str]:
    """Return a domain and those above it, but for the top-level one."""
    labels = domain.split(".")
    return [".".join(labels[number:]) for number in range(max(1, len(labels) - 1))]


def _tags(text: str) -> dict[str, str]:
    """Read `v=DMARC1; p=none` as tags."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, mark, value in pairs if mark}
