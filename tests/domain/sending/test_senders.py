"""The document of senders, and whom a mail is from."""

from typing import Any

import pytest

from domain.deployment_documents import SENDERS
from domain.errors import InvalidDocumentError
from domain.sending.senders import DeployedSenders, PostalAddressRule, SenderRule
from domain.sending.senders_document import MAX_SENDERS, parse_senders
from domain.templates.template_sets import load
from tests.domain.templates.sources import email, variables

DOCUMENT = """
senders:
  - {owner: Anna@example.com, from: Anna Berg <anna@example.com>}
  - {owner: "4711", from: ben@example.com, reply_to: Sales <sales@example.com>}
postal_address: |
  Example Shop
  1 Harbour Street
"""


def test_a_document_becomes_rules_and_rules_a_document() -> None:
    rules = parse_senders(DOCUMENT, "senders.yaml")
    assert rules == (
        SenderRule("Anna@example.com", "Anna Berg <anna@example.com>"),
        SenderRule("4711", "ben@example.com", "Sales <sales@example.com>"),
        PostalAddressRule("Example Shop\n1 Harbour Street"),
    )
    assert [SENDERS.name_of(rule) for rule in rules] == ["anna@example.com", "4711", "postal_address"]
    assert SENDERS.to_document(rules[1]) == {
        **{"owner": "4711", "from": "ben@example.com", "reply_to": "Sales <sales@example.com>"}
    }
    assert parse_senders(SENDERS.initial, "senders.yaml") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("senders:\n  - {owner: a, from: nobody}\n", "senders.yaml:2: senders[0].from: `nobody` is not an address."),
        (
            "senders:\n  - {owner: a, from: a@example.com}\n  - {owner: A, from: b@example.com}\n",
            "senders.yaml:3: senders[1].owner: `A` is the owner of another sender.",
        ),
        ("senders: []\npostal_address: ' '\n", "senders.yaml:2: postal_address: the postal address is empty."),
        ("senders: []\npostal: x\n", "senders.yaml:2: postal: the key `postal` is not known here."),
    ],
)
def test_a_fault_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        parse_senders(text, "senders.yaml")
    assert str(refused.value.problems[0]).startswith(said)


def test_the_number_of_senders_is_bounded() -> None:
    lines = [f"  - {{owner: o{n}, from: a@example.com}}" for n in range(MAX_SENDERS + 1)]
    with pytest.raises(InvalidDocumentError):
        parse_senders("\n".join(["senders:", *lines]), "senders.yaml")


@pytest.mark.parametrize(
    ("owner", "sender", "reply_to"),
    [
        (" ANNA@example.com", "Anna Berg <anna@example.com>", None),
        (4711, "ben@example.com", "Sales <sales@example.com>"),
        ("4711", "ben@example.com", "Sales <sales@example.com>"),
        ("boss@bank.example", "Example Shop <hello@example.com>", "help@example.com"),
        ("Anna Berg <anna@example.com>\nBcc: x@evil.example", "Example Shop <hello@example.com>", "help@example.com"),
        (None, "Example Shop <hello@example.com>", "help@example.com"),
        (True, "Example Shop <hello@example.com>", "help@example.com"),
        ({"owner": "4711"}, "Example Shop <hello@example.com>", "help@example.com"),
    ],
)
def test_a_mail_is_from_the_sender_of_the_owner_and_never_from_the_value(
    owner: Any, sender: str, reply_to: str | None
) -> None:
    files = {"t.liquid": email(from_owner="profile.traits.owner", reply_to="help@example.com")}
    sets, problems = load(files)
    assert problems == []
    senders = DeployedSenders(parse_senders(DOCUMENT, "senders.yaml"))
    content = sets["t"].render(variables({"owner": owner}), None, senders=senders)
    assert (content["from"], content["reply_to"]) == (sender, reply_to)


@pytest.mark.parametrize(
    "written", ["{{ profile.traits.owner }}", "profile.traits.owner | upcase", "profile", "'anna'"]
)
def test_an_owner_is_named_by_a_variable(written: str) -> None:
    _, [problem] = load({"t.liquid": email(from_owner=written)})
    assert str(problem).startswith("t.liquid:6: from_owner: this is not the name of a variable.")


def test_an_unknown_variable_is_refused() -> None:
    _, [problem] = load({"t.liquid": email(from_owner="profil.traits.owner")})
    assert "Did you mean `profile.traits.owner`?" in str(problem)
