"""Tokens by which a server vouches for the user of a browser."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from domain.tracking.user_token import TokenFault, VerifiedUser, verify_user_token

NOW = datetime(2026, 11, 1, 10, tzinfo=UTC)
AT = int(NOW.timestamp())
OLD, NEW, FOREIGN = "0" * 64, "1" * 64, "2" * 64


def made(secret: str = NEW, algorithm: str = "HS256", **claims: Any) -> str:
    given = {"sub": "u-1", "aud": "sojourn", "exp": AT + 3_600, **claims}
    return jwt.encode({name: value for name, value in given.items() if value is not None}, secret, algorithm)


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: str = "") -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, signature])


GOOD = {"sub": "u-1", "aud": "sojourn", "exp": AT + 3_600}


@pytest.mark.parametrize(
    ("token", "groups"),
    [
        (made(), []),
        (made(OLD), []),
        (made(iat=AT), []),
        (made(iat=AT + 30, nbf=AT + 30), []),
        (made(exp=AT + 1), []),
        (made(exp=AT + 24 * 3_600 + 60), []),
        (made(aud=["other", "sojourn"]), []),
        (made(groups=["acme", "umbrella"]), ["acme", "umbrella"]),
        (made(exp=AT + 0.5), []),
    ],
)
def test_a_token_of_either_secret_names_its_user(token: str, groups: list[str]) -> None:
    user = verify_user_token(token, [NEW, OLD], NOW)
    assert isinstance(user, VerifiedUser)
    assert (user.user_id, user.groups) == ("u-1", frozenset(groups))
    assert NOW < user.expires_at <= NOW + timedelta(hours=24, minutes=1)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (made(FOREIGN), "not signed with a secret"),
        (made(exp=AT), "expired"),
        (made(exp=AT + 24 * 3_600 + 61), "24 hours"),
        (made(exp=float("inf")), "24 hours"),
        (made(exp=float("nan")), "expired"),
        (made(exp=None), "lacks `exp`"),
        (made(sub=None), "lacks `sub`"),
        (made(aud=None), "aud"),
        (made(aud="another"), "`aud` is not"),
        *((made(sub=sub), "`sub` is not a user id") for sub in ("", " ", "a\0b", "a\nb", "\ud800", "..", "x" * 256)),
        (made(iat=AT + 120), "not valid yet"),
        (made(nbf=AT + 120), "not valid yet"),
        (made(exp=True), "seconds since"),
        (made(groups="acme"), "groups"),
        (made(groups=[1]), "groups"),
        (made(NEW, "HS384"), "HS256"),
        (made(NEW, "HS512"), "HS256"),
        (unsigned({"alg": "none", "typ": "JWT"}, GOOD), "HS256"),
        (unsigned({"alg": "None"}, GOOD), "HS256"),
        (unsigned({"alg": "HS256"}, GOOD), "not signed with a secret"),
        (unsigned({"alg": "HS256", "jwk": {"kty": "oct", "k": ""}, "kid": "../../dev/null"}, GOOD), "not signed"),
        (unsigned({"alg": "RS256", "x5u": "https://evil.example"}, GOOD, "AAAA"), "HS256"),
        (made()[:-2], "not"),
        ("", "JWT"),
        ("a.b.c", "JWT"),
        ("a" * 9_000, "JWT"),
        (made().replace(".", ".."), "JWT"),
        (None, "JWT"),
        ({"sub": "u-1"}, "JWT"),
        (7, "JWT"),
    ],
)
def test_any_other_token_names_nothing_and_its_fault_says_why(token: object, reason: str) -> None:
    fault = verify_user_token(token, [NEW, OLD], NOW)
    assert isinstance(fault, TokenFault), fault
    assert reason in fault.reason


def test_a_key_without_secrets_has_no_tokens() -> None:
    assert isinstance(verify_user_token(made(), [], NOW), TokenFault)


def test_a_long_text_costs_nothing() -> None:
    began = time.process_time()
    for text in ("." * 8_000, "eyJ" * 2_600, "[" * 8_000):
        verify_user_token(text, [NEW, OLD], NOW)
    assert time.process_time() - began < 1
