"""Secrets that messages carry to other servers, each bound to its hosts."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from domain.deployment.secrets import SecretFault, is_loopback
from domain.templates.secret_text import fill, secrets_in, spell

# A shorter value occurs in replies by chance, and would be redacted there.
MIN_CHARACTERS: Final = 8
MAX_CHARACTERS: Final = 4_096

_VALUE: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]*[\x21-\x7e]")
_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:]*:[0-9a-f:.]+")


@dataclass(frozen=True, slots=True)
class BoundSecret:
    """A secret's value, and the hosts that it may go to, in lower case without ports.

    `place` is the variable or the file that holds it.
    """

    value: str = field(repr=False)
    hosts: tuple[str, ...] = ()
    place: str = ""


def find_outbound_fault(secret: BoundSecret) -> SecretFault | None:
    """Return the reason why a secret cannot be used, without its value."""
    if not MIN_CHARACTERS <= len(secret.value) <= MAX_CHARACTERS:
        return SecretFault(
            f"has {len(secret.value):,} characters", f"a secret has {MIN_CHARACTERS} to {MAX_CHARACTERS:,}"
        )
    if not _VALUE.fullmatch(secret.value):
        return SecretFault(
            "holds control characters, letters beyond ASCII, or blanks around it", "copy it once more, or encode it"
        )
    for host in secret.hosts:
        if not _HOST.fullmatch(host):
            said = f"is bound to `{host[:100]}`, which is not a host"
            return SecretFault(said, "write hooks.slack.com, without scheme, port and path; several with commas")
    return None


def describe_hosts_remedy(name: str, hosts: Sequence[str]) -> str:
    """Say how the workers learn which hosts a secret may go to."""
    variable, listed = f"SOJOURN_SECRET_{name.upper()}_HOSTS", ",".join(hosts)
    return f"set {variable}={listed}, or write that to the file {name}.hosts, and restart the workers"


def describe_unbound(name: str) -> str:
    """Say that a secret is bound to no host, who needs that, and how it is bound."""
    remedy = describe_hosts_remedy(name, ("hooks.example.com",))
    return f"is bound to no host, as webhooks and SMTP servers need: for https://hooks.example.com/…, {remedy}"


def describe_place_remedy(place: str, hosts: Sequence[str]) -> str:
    """Say how the processes learn which hosts a secret may go to."""
    listed = ",".join(hosts)
    if place.startswith("/"):
        return f"write {listed} to the file {place}.hosts, and restart the workers"
    return f"set {place.removesuffix('_FILE')}_HOSTS={listed}, and restart the workers"


class SecretRefusal(Exception):
    """A message names a secret that is missing, malformed, or may not go to the host.

    Its text has the name and never the value."""

    def __init__(self, reason: Literal["secret_missing", "secret_refused", "secret_malformed"], detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class SecretKeeper:
    """The secrets of a deployment by name."""

    def __init__(self, secrets: Mapping[str, BoundSecret]) -> None:
        self._secrets = secrets

    def fill(self, content: Any, host: str) -> Any:
        """Fill in the secrets. Raises SecretRefusal for an unknown one, with its host."""
        return fill(content, lambda name: self._value_of(name, host))

    def check_host(self, content: Any, scheme: str, host: str) -> None:
        """Refuse content whose secrets may not go to this host. Raises SecretRefusal."""
        for name in secrets_in(content):
            hosts = self._secrets[name].hosts
            if host.lower() not in hosts:
                bound, remedy = ", ".join(hosts) or "no host", describe_hosts_remedy(name, (*hosts, host))
                said = f"the secret '{name}' is bound to {bound}, and may not go to {host}"
                raise SecretRefusal("secret_refused", f"{said}: {'correct the URL, or ' if hosts else ''}{remedy}")
            if scheme != "https" and not is_loopback(host):
                raise SecretRefusal("secret_refused", f"the secret '{name}' goes by https only")

    def redact(self, text: str, content: Any) -> str:
        """Redact the secrets that the content names in a receiver's text."""
        named = {*secrets_in(content)} & self._secrets.keys()
        written = {spelling: name for name in named for spelling in spell(self._secrets[name].value)}
        # The longest first: one secret may begin with another.
        for spelling in sorted(written, key=len, reverse=True):
            text = re.sub(re.escape(spelling), f"[secret {written[spelling]}]", text, flags=re.IGNORECASE)
        return text

    def _value_of(self, name: str, host: str) -> str:
        if name not in self._secrets:
            variable = f"SOJOURN_SECRET_{name.upper()}"
            said = f"this worker knows no secret '{name}'; set {variable} and {variable}_HOSTS={host or '…'}, or add "
            raise SecretRefusal("secret_missing", f"{said}the files {name} and {name}.hosts; and restart the workers")
        return self._secrets[name].value


def redact_json(value: Any, redact: Callable[[str], str]) -> Any:
    """Apply a redaction to every text of JSON data, keys included."""
    match value:
        case str():
            return redact(value)
        case dict():
            return {redact(key): redact_json(item, redact) for key, item in value.items()}
        case list():
            return [redact_json(item, redact) for item in value]
    return value
