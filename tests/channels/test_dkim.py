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
from channels.provider_kind import ProviderContext
from channels.registry import open_provider
from domain.errors import InvalidRequestError
from domain.people.addresses import parse_email
from domain.sending.delivery import Accepted, ManagedProvider, Outbound
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers_document import parse_providers
from domain.sending.routes import ProviderRule
from tests.channels.messages import ADDRESS, MAIL, mail
from tests.channels.servers import Mailbox, smtp_server

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


def opened(key: str, port: int) -> ManagedProvider:
    """The provider of a document, with this secret."""
    secrets = ProviderSecrets([BoundSecret(key, (), "/run/secrets/dkim.pem")])
    text = f"""
providers:
  relay:
    kind: smtp
    channel: email
    host: 127.0.0.1
    port: {port}
    security: none
    dkim: {{domain: shop.example.com, selector: s1, key: {{file: /run/secrets/dkim.pem}}}}
"""
    [rule] = parse_providers(text, "providers.yaml")
    assert isinstance(rule, ProviderRule)
    return open_provider(rule, ProviderContext(secrets))


async def test_a_provider_of_the_document_signs_what_it_delivers(key: RSAPrivateKey) -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox) as port:
        provider = opened(pem(key), port)
        assert isinstance(await provider.deliver(MAIL, ADDRESS), Accepted)
        await provider.close()
    [envelope] = mailbox.taken
    assert envelope.original_content is not None
    assert is_valid(envelope.original_content, key)


def test_a_provider_whose_key_is_of_no_use_says_so() -> None:
    with pytest.raises(InvalidRequestError, match=r"the DKIM key /run/secrets/dkim.pem is of no use: .*not an RSA key"):
        opened(pem(Ed25519PrivateKey.generate()), 25)


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
