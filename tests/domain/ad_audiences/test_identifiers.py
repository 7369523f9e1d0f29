"""Identifiers are normalised as each platform asks, and leave as hashes."""

from hashlib import sha256

import pytest

from domain.ad_audiences.identifiers import IdentifierKind, hash_identifiers, pack_identifiers, unpack_identifiers
from domain.sending.providers.ad_account import AdAccountModel
from domain.sending.providers.google import GoogleModel
from domain.sending.providers.linkedin import LinkedInModel
from domain.sending.providers.meta import MetaModel

ADDRESSES = {"email": "ada.l+shop@gmail.com", "sms": "+4915112345678", "other": "x"}
KINDS: tuple[IdentifierKind, ...] = ("email", "phone", "external_id")


def digest(value: str) -> str:
    return sha256(value.encode()).hexdigest()


@pytest.mark.parametrize(
    ("model", "email", "phone"),
    [
        (MetaModel, "ada.l+shop@gmail.com", "4915112345678"),
        (GoogleModel, "adal+shop@gmail.com", "+4915112345678"),
        (LinkedInModel, "ada.l+shop@gmail.com", "+4915112345678"),
    ],
)
def test_each_platform_hashes_its_own_form(model: type[AdAccountModel], email: str, phone: str) -> None:
    found = hash_identifiers(KINDS, ADDRESSES, "u-1", model.normalize)
    assert found == {"email": digest(email), "phone": digest(phone), "external_id": digest("u-1")}


def test_dots_count_at_other_mailboxes_than_those_of_gmail() -> None:
    assert GoogleModel.normalize("email", "a.b@example.com") == "a.b@example.com"
    assert GoogleModel.normalize("email", "a.b@googlemail.com") == "ab@googlemail.com"


def test_a_person_without_an_identifier_has_no_hash() -> None:
    assert hash_identifiers(KINDS, {}, None, MetaModel.normalize) == {}
    assert hash_identifiers(["email"], {"sms": "+49151"}, "u-1", MetaModel.normalize) == {}


def test_stored_hashes_are_people_again() -> None:
    packed = pack_identifiers({"email": "e1", "phone": "p1"})
    assert packed == ["email:e1", "phone:p1"]
    assert unpack_identifiers(packed) == [{"email": "e1", "phone": "p1"}]
    assert unpack_identifiers([*packed, "email:e2"]) == [{"email": "e1", "phone": "p1"}, {"email": "e2"}]
    assert unpack_identifiers([]) == []
