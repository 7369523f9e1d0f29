"""The registry of ad platforms. A new one is a module beside this one, and here."""

from channels.ad_platforms import google, linkedin, meta
from channels.ad_platforms.kind import AdPlatformKind
from domain.ad_audiences.rules import AdAccountRule
from domain.ad_audiences.uploads import AdPlatform
from domain.errors import InvalidRequestError
from domain.sending.outbound_secrets import SecretRefusal
from domain.sending.provider_secrets import ProviderSecrets

AD_PLATFORMS: tuple[AdPlatformKind, ...] = (google.KIND, linkedin.KIND, meta.KIND)


def open_platform(rule: AdAccountRule, secrets: ProviderSecrets) -> AdPlatform:
    """Open an account of the document; no connection is made.

    Raises InvalidRequestError for a secret that it may not use, and for a kind or a setting that this build does not
    know.
    """
    kind = {kind.model.name: kind for kind in AD_PLATFORMS}.get(rule.kind)
    if kind is None:
        raise InvalidRequestError(f"the account {rule.name}: this build has no kind `{rule.kind}`")
    try:
        return kind.open(rule.model(), secrets)
    except SecretRefusal as refusal:
        raise InvalidRequestError(f"the account {rule.name}: {refusal.detail}") from refusal
    except ValueError as error:
        raise InvalidRequestError(f"the account {rule.name}: its settings are not those of this build") from error
