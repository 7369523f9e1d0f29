"""The base of a provider's settings: the keys that all kinds have."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from domain.campaign.schema import DocumentModel, Given
from domain.campaign.steps.send import ChannelName
from domain.people.device_addresses import ADDRESS_KINDS, AddressKind
from domain.sending.deliverability import DEFAULT_LIMITS, PauseLimits
from domain.sending.money import CostModel
from domain.sending.providers.secret_reference import SecretReference
from domain.sending.sender_records import DkimSelectors

MAX_PER_SECOND = 10_000
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
Domain = Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^{_LABEL}(?:\.{_LABEL})*$")]
PerSecond = Annotated[float, Field(gt=0, le=MAX_PER_SECOND)]


class AccountModel(DocumentModel):
    """An account of the document; `name` is the kind's."""

    name: ClassVar[str]

    kind: str = Field(description="the kind of provider")

    def secrets(self) -> Mapping[str, SecretReference]:
        """Return the references of its settings, by their keys, inner ones as `dkim.key`."""
        return dict(_list_secrets(self))

    def dump(self) -> dict[str, Any]:
        """Return the settings as authors write them."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


class ProviderModel(AccountModel):
    """An account at a provider of messages.

    It serves `channels`, or any if None. `has_account` is False if its receivers are many, so that the failure of one
    says nothing about the others.
    """

    channels: ClassVar[frozenset[str] | None] = None
    serves: ClassVar[frozenset[AddressKind]] = frozenset(ADDRESS_KINDS)
    has_account: ClassVar[bool] = True

    channel: ChannelName = Field(description="the channel whose messages it delivers")
    per_second: Annotated[PerSecond | None, Given] = Field(
        None, description="the most messages in a second, by all workers together; left out, as fast as it takes them"
    )
    cost: Annotated[CostModel | None, Given] = Field(
        None,
        description=(
            "the price of one message, or of one segment of a text: `{amount: 0.0075, currency: EUR}`; left out, they "
            "cost nothing"
        ),
    )
    callback_secret: Annotated[SecretReference | None, Given] = Field(
        None, description="the secret by which its reports are verified: `{env: SOJOURN_SECRET_POSTMARK_HOOK}`"
    )

    def dkim_keys(self) -> tuple[tuple[str, str], ...]:
        """Return the domains and selectors of the keys by which it signs, if known."""
        return ()

    def dkim_signer(self) -> DkimSelectors | None:
        """Return the selectors of the keys in the senders' domains, if known."""
        return None

    def pause_limits(self) -> PauseLimits:
        """Return the rates above which its marketing is paused."""
        return DEFAULT_LIMITS

    def find_return_domain(self) -> str | None:
        """Return the domain that its mails return to, if Sojourn chooses it."""
        return None


def _list_secrets(model: DocumentModel) -> Iterator[tuple[str, SecretReference]]:
    for key in type(model).model_fields:
        value = getattr(model, key)
        if isinstance(value, SecretReference):
            yield key, value
        elif isinstance(value, DocumentModel):
            yield from ((f"{key}.{inner}", reference) for inner, reference in _list_secrets(value))
