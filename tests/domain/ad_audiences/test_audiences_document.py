"""The document of audiences, and the accounts that have them."""

import pytest

from domain.ad_audiences.audiences_document import parse_audiences, to_document
from domain.ad_audiences.rules import AdAccountRule, AdAudienceRule
from domain.errors import InvalidDocumentError
from domain.sending.providers.google import GoogleModel
from domain.sending.providers_document import parse_providers
from domain.sending.providers_document import to_document as account_to_document
from domain.sending.routes import DeployedProviders

ACCOUNTS = """
providers:
  relay: {kind: smtp, channel: email, host: mail.example.com}
  ads: {kind: google, account: '1234567890', key: {file: /run/secrets/google.json}}
  meta: {kind: meta, token: {env: SOJOURN_SECRET_META}}
"""


def faults(text: str) -> list[str]:
    with pytest.raises(InvalidDocumentError) as error:
        parse_audiences(text, "audiences.yaml")
    return [f"{problem.line}: {problem.message}" for problem in error.value.problems]


def test_an_audience_has_an_account_and_an_id() -> None:
    text = "audiences:\n  vips: {provider: meta, id: '77', mirror: vip, identifiers: [email, phone]}\n"
    [rule] = parse_audiences(text, "audiences.yaml")
    assert rule == AdAudienceRule("vips", "meta", "77", ("email", "phone"), "vip")
    assert to_document(rule) == {
        "name": "vips",
        "provider": "meta",
        "id": "77",
        "mirror": "vip",
        "identifiers": ["email", "phone"],
    }


def test_people_are_found_by_email_if_nothing_is_said() -> None:
    [rule] = parse_audiences("audiences:\n  a: {provider: meta, id: '77'}\n", "audiences.yaml")
    assert rule.identifiers == ("email",)


def test_each_fault_has_its_line() -> None:
    assert faults("audiences:\n  a: {provider: meta}\n") == ["2: `id` is missing"]
    assert faults("audiences:\n  a: {provider: meta, id: '7', identifiers: [email, email]}\n") == [
        "2: an identifier stands here twice"
    ]
    assert faults("audiences:\n  a: {provider: meta, id: '7'}\n  b: {provider: meta, id: '7'}\n") == [
        "3: `a` is the same audience of `meta`"
    ]


def test_an_account_stands_beside_the_providers_of_messages() -> None:
    rules = parse_providers(ACCOUNTS, "providers.yaml")
    deployed = DeployedProviders(rules)
    assert list(deployed.by_name) == ["relay"]
    assert list(deployed.ad_accounts) == ["ads", "meta"]
    assert "ads" not in deployed.channels
    account = deployed.ad_accounts["ads"]
    assert isinstance(account, AdAccountRule)
    model = account.model()
    assert isinstance(model, GoogleModel)
    assert (model.account, str(model.key)) == ("1234567890", "/run/secrets/google.json")
    assert account_to_document(account)["name"] == "ads"


def test_an_account_delivers_no_messages() -> None:
    with pytest.raises(InvalidDocumentError) as error:
        parse_providers(f"{ACCOUNTS}routes:\n  - {{channel: email, use: [meta]}}\n", "providers.yaml")
    assert [problem.message for problem in error.value.problems] == ["`meta` delivers no messages"]
    with pytest.raises(InvalidDocumentError):
        parse_providers(ACCOUNTS.replace("kind: meta", "kind: meta, channel: email"), "providers.yaml")
