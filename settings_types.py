"""Kinds of values of settings, each checked as it is read.

No refusal quotes the given value.
"""

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Final
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from domain.deployment import secrets
from domain.deployment.secrets import SecretFault
from domain.local_time.zones import find_zone, guess_zone

# A name, an IPv4 address, or an IPv6 address with or without its brackets.
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+(%\w+)?\]?")

_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")


class FaultError(ValueError):
    """A fault on its way through the validation."""

    def __init__(self, fault: SecretFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def refuse(fault: SecretFault | None) -> None:
    """Raise FaultError if there is a fault."""
    if fault is not None:
        raise FaultError(fault)


def _postgresql(url: SecretStr) -> SecretStr:
    """Refuse a URL that libpq cannot read, whose own error would quote the password."""
    text = url.get_secret_value()
    try:
        ports = conninfo_to_dict(text).get("port") or ""
    except ProgrammingError:
        ports = None
    are_ports = ports is not None and all(not port or _is_port(port) for port in str(ports).split(","))
    if not text.startswith(("postgresql://", "postgres://")) or not are_ports:
        raise ValueError("must be postgresql://user:password@host:port/name, with %40 for an `@` and %2F for a `/`")
    return url


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) < 65_536


def _listening_address(address: str) -> str:
    if not _is_address(address):
        raise ValueError("must be host:port, as 127.0.0.1:9464, 0.0.0.0:9464 or [::]:9464")
    return address


def _temporal_address(address: str) -> str:
    if not _is_address(address):
        raise ValueError("must be host:port without a scheme or path, as localhost:7233; TEMPORAL_TLS=true sets TLS")
    return address


def _is_address(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(_HOST.fullmatch(host)) and port.isdecimal() and 0 < int(port) < 65_536


def _zone(name: str) -> str:
    if find_zone(name) is None:
        meant = guess_zone(name[:64])
        remedy = f"did you mean {meant}?" if meant else "as Europe/Berlin or UTC"
        raise ValueError(f"must be the IANA name of a time zone, {remedy}")
    return name


def _public_url(url: str) -> str:
    refuse(secrets.find_public_url_fault(url))
    return url


def _web_address(url: str) -> str:
    try:
        is_complete = bool(urlsplit(url).hostname)
    except ValueError:
        is_complete = False
    if not is_complete:
        raise ValueError("must be an address such as http://localhost:8233")
    return url


def _mail_domain(name: str) -> str:
    if len(name) > 253 or not _DOMAIN.fullmatch(name):
        raise ValueError("must be the name of a domain, such as mail.example.com")
    return name.lower()


def _split_list(texts: object) -> object:
    """Split a list of an environment variable at its commas."""
    return [text.strip() for text in texts.split(",") if text.strip()] if isinstance(texts, str) else texts


Port = Annotated[int, Field(ge=1, le=65_535)]
# 0 sets no limit.
RateLimit = Annotated[int, Field(ge=0)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_postgresql)]
ListeningAddress = Annotated[str, AfterValidator(_listening_address)]
TemporalAddress = Annotated[str, AfterValidator(_temporal_address)]
Timezone = Annotated[str, AfterValidator(_zone)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
MailDomain = Annotated[str, AfterValidator(_mail_domain)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_list)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split_list)]
