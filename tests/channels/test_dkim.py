"""Signatures of mails, verified by another implementation."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from channels.email.dkim import DkimSigner
from channels.email.smtp import build
from domain.people.addresses import parse_email
from domain.sending.delivery import Outbound
from tests.channels.messages import ADDRESS, MAIL, mail

AT = datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def pem(key: RSAPrivateKey | Ed25519PrivateKey, password: bytes | None = None) -> str:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def sign(message: Outbound, key: RSAPrivateKey) -> bytes:
    recipient = parse_email(ADDRESS)
    assert recipient is not None
    signer = DkimSigner.read("shop.example.com", "s1", pem(key))
    return signer.sign(build(message, recipient).payload, AT)


def is_valid(signed: bytes, key: RSAPrivateKey) -> bool:
    spki = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    record = "v=DKIM1; k=rsa; p=" + "".join(spki.splitlines()[1:-1])
    asked: list[bytes] = []

    def look_up(name: bytes, timeout: int = 5) -> str:
        asked.append(name)
        return record

    found = bool(dkim.verify(signed, dnsfunc=look_up))
    assert asked == [b"s1._domainkey.shop.example.com."]
    return found


@pytest.mark.parametrize(
    "message",
    [
        MAIL,
        mail(subject="Grüße 😀 " * 40, reply_to="Füße & Söhne <help@example.com>"),
        mail(text="two  blanks \t and tabs \n\n\n\n", html="<p>" + "x" * 5000 + "</p>\n\n\n"),
        replace(MAIL, unsubscribe_url=None),
    ],
)
def test_another_implementation_verifies_the_signature(message: Outbound, key: RSAPrivateKey) -> None:
    assert is_valid(sign(message, key), key)


def test_a_mail_may_be_folded_and_respaced_on_its_way(key: RSAPrivateKey) -> None:
    signed = sign(MAIL, key)
    assert is_valid(signed.replace(b"Subject: ", b"SUBJECT:\r\n\t  ") + b"\r\n\r\n", key)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"To: ana@", b"To: eve@"),
        (b"Subject: ", b"Subject: Re: "),
        (b"One-Click", b"Two-Click"),
        (b"List-Unsubscribe: <https://", b"List-Unsubscribe: <https://evil."),
        (b"Content-Type: multipart/alternative", b"Content-Type: text/plain"),
        (b"From: ", b"From: Eve <eve@example.org>\r\nFrom: "),
        (b"From: ", b"Reply-To: eve@example.org\r\nFrom: "),
        (b"\r\n--", b"\r\nmore\r\n--"),
    ],
)
def test_a_changed_mail_is_not_valid(old: bytes, new: bytes, key: RSAPrivateKey) -> None:
    signed = sign(MAIL, key)
    changed = signed.replace(old, new, 1)
    assert changed != signed
    assert not is_valid(changed, key)


def test_another_key_is_not_valid(key: RSAPrivateKey) -> None:
    assert not is_valid(sign(MAIL, key), generate_private_key(65537, 2048))


def test_every_line_is_short(key: RSAPrivateKey) -> None:
    head = sign(MAIL, key).partition(b"\r\nSubject")[0]
    assert head.startswith(b"DKIM-Signature: v=1;")
    assert all(len(line) < 200 for line in re.split(b"\r\n", head))


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("nonsense", "PEM"),
        (pem(Ed25519PrivateKey.generate()), "not an RSA key"),
        (pem(generate_private_key(65537, 2048), b"secret"), "has a password"),
    ],
)
def test_an_unusable_key_is_refused(written: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        DkimSigner.read("shop.example.com", "s1", written)
