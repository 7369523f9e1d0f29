"""The socket of a provider: its settings, and how it is opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from domain.sending.delivery import ManagedProvider
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.model import ProviderModel
from domain.sending.reports import ReportReader

INBOX: Final = "http://127.0.0.1:8025"

ReaderOpener = Callable[[Any, ProviderSecrets], ReportReader | None]


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """The deployment's own settings, by which its providers are opened.

    `secrets` resolves the references of the document. `smtp` is the mail server of SOJOURN_SMTP_…, `link_secrets` sign
    the addresses that bounces come to, `signing_secrets` and `webhook_secrets` are those of webhooks, and `inbox` is
    where `sojourn dev` shows messages. `callback_url` is where the provider reports what becomes of messages.
    """

    secrets: ProviderSecrets
    smtp: Mapping[str, Any] = field(default_factory=dict, repr=False)
    link_secrets: Sequence[str] = field(default=(), repr=False)
    signing_secrets: Sequence[str] = field(default=(), repr=False)
    webhook_secrets: Mapping[str, BoundSecret] = field(default_factory=dict, repr=False)
    allow_private_addresses: bool = False
    inbox: str = INBOX
    callback_url: str = ""


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """A kind of provider.

    `model` are its settings in the document. `open` opens it without a connection, and raises SecretRefusal for a
    secret that is missing or may not go to its host. `open_default` opens it by the deployment's settings alone, for
    a channel that the document leaves out. `open_reader` opens the reader of its callbacks, if it sends any.
    `answer_challenge` answers the query by which it verifies their address; None if that asks nothing.
    """

    model: type[ProviderModel]
    open: Callable[[Any, ProviderContext], ManagedProvider]
    open_default: Callable[[ProviderContext], ManagedProvider] | None = None
    open_reader: ReaderOpener | None = None
    answer_challenge: Callable[[Any, ProviderSecrets, Mapping[str, str]], str | None] | None = None

    @property
    def name(self) -> str:
        return self.model.name
