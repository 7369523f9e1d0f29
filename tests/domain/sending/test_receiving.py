"""Addresses for mails that come back: signed, and read in any letter case."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sending.receiving import Addressee, MailPurpose, ReceivingDomain, looks_signed, read_address

SECRETS = ("one-secret-of-thirty-two-characters", "another-secret-of-thirty-two-chars.")
DOMAIN = ReceivingDomain("bounces.example.com", SECRETS)
ID = UUID("0b9c3a52-6a0e-5b6e-9d57-3a2f6f6f6f60")
PURPOSES: tuple[MailPurpose, ...] = ("bounce", "reply", "unsubscribe")


@pytest.mark.parametrize("purpose", PURPOSES)
@given(id=st.uuids())
def test_an_address_names_its_message(purpose: MailPurpose, id: UUID) -> None:
    address = DOMAIN.address(purpose, id)
    local, _, domain = address.partition("@")
    assert (len(local) <= 64, domain, address.lower()) == (True, DOMAIN.name, address)
    # Servers on the way may write it in capitals, and the domain of the past may be another.
    for spelling in (address, address.upper(), f"{local}@old.example.com"):
        assert read_address(SECRETS, spelling) == Addressee(purpose, id)
    # A secret that is no longer the first still verifies.
    assert read_address(SECRETS[::-1], address) == Addressee(purpose, id)


def test_no_changed_character_is_read() -> None:
    address = DOMAIN.address("bounce", ID)
    local = address.partition("@")[0]
    for place, character in enumerate(local):
        if character not in "+." and place != local.index(".") - 1:
            changed = f"{local[:place]}{'a' if character != 'a' else 'b'}{local[place + 1 :]}@bounces.example.com"
            assert read_address(SECRETS, changed) is None, changed
    for wrong in (address.replace("bounce+", "reply+"), "bounce+x@example.com", "hello@example.com", "", address[:-20]):
        assert read_address(SECRETS, wrong) is None


def test_no_other_secret_signs() -> None:
    assert read_address(["a-third-secret"], DOMAIN.address("reply", uuid4())) is None
    assert SECRETS[0] not in repr(DOMAIN)


def test_what_looks_signed_is_known_before_it_is_read() -> None:
    assert looks_signed("Reply+anything@example.com")
    assert not looks_signed("replies@example.com")
