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


class SenderDomain(Struct, frozen=True):
    """The domain of a sender, and the selectors of the keys that sign its mails.

    A key may belong to a domain above it.
    """

    domain: str
    keys: tuple[tuple[str, str], ...] = ()


def list_names(sender: SenderDomain) -> list[str]:
    """Return the names whose texts `find_faults` reads."""
    keys = [f"{selector}.{DKIM_ZONE}.{domain}" for domain, selector in sender.keys]
    return [sender.domain, *keys, *(f"{DMARC_ZONE}.{domain}" for domain in _domains_above(sender.domain))]


def find_faults(sender: SenderDomain, texts: TextRecords) -> Iterator[RecordFinding]:
    """Return what receivers would find wrong with a sender."""
    failed = [name for name in list_names(sender) if name not in texts]
    if failed:
        yield RecordFinding(
            failed[0], "could not be looked up", "check the name servers of this machine, and try again"
        )
        return
    yield from _check_spf(sender.domain, texts[sender.domain])
    for domain, selector in sender.keys:
        name = f"{selector}.{DKIM_ZONE}.{domain}"
        yield from _check_dkim(name, texts[name])
    yield from _check_dmarc(sender.domain, texts)


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
