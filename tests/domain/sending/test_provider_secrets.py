"""References are resolved within what a deployment allows, and for the hosts of each secret."""

import pytest

from domain.sending.outbound_secrets import BoundSecret, SecretRefusal
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.secret_reference import SecretReference

SECRETS = ProviderSecrets(
    [
        BoundSecret("value-of-relay", ("mail.example.com",), "SOJOURN_SECRET_RELAY"),
        BoundSecret("value-of-token", (), "SOJOURN_SECRET_TOKEN_FILE"),
        BoundSecret("value-of-file", (), "/run/secrets/second"),
    ]
)
RELAY, TOKEN = SecretReference(env="SOJOURN_SECRET_RELAY"), SecretReference(env="SOJOURN_SECRET_TOKEN")
FILE = SecretReference(file="/run/secrets/second")


def test_a_secret_goes_to_its_hosts_and_an_unbound_one_to_a_fixed_host_only() -> None:
    assert SECRETS.for_host(RELAY, "Mail.example.com") == "value-of-relay"
    assert SECRETS.for_host(TOKEN, "api.example.com", is_fixed=True) == "value-of-token"
    assert SECRETS.for_host(FILE, "api.example.com", is_fixed=True) == "value-of-file"
    assert SECRETS.for_own_use(RELAY) == "value-of-relay"


@pytest.mark.parametrize(
    ("reference", "is_fixed", "remedy"),
    [
        (RELAY, False, "set SOJOURN_SECRET_RELAY_HOSTS=mail.example.com,evil.example"),
        (RELAY, True, "is bound to mail.example.com"),
        (TOKEN, False, "set SOJOURN_SECRET_TOKEN_HOSTS=evil.example"),
        (FILE, False, "write evil.example to the file /run/secrets/second.hosts"),
    ],
)
def test_no_secret_goes_to_a_host_that_a_document_chose(
    reference: SecretReference, is_fixed: bool, remedy: str
) -> None:
    with pytest.raises(SecretRefusal, match=remedy) as refused:
        SECRETS.for_host(reference, "evil.example", is_fixed=is_fixed)
    assert refused.value.reason == "secret_refused"
    assert "value-of" not in refused.value.detail


@pytest.mark.parametrize(
    "reference",
    [
        SecretReference(env="SOJOURN_SECRET_SECOND"),
        SecretReference(file="/etc/passwd"),
        SecretReference(file="/run/secrets/relay"),
    ],
)
def test_what_the_deployment_does_not_leave_to_documents_is_missing(reference: SecretReference) -> None:
    with pytest.raises(SecretRefusal) as refused:
        SECRETS.for_own_use(reference)
    assert refused.value.reason == "secret_missing"
