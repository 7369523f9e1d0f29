"""Secrets that messages carry: whose hosts they are for, and how they are taken out of what comes back."""

from typing import Any

import pytest

from domain.sending.outbound_secrets import BoundSecret, SecretKeeper, SecretRefusal, find_outbound_fault, redact_json
from domain.templates.secret_text import SecretRef, SecretText

HOST = ("api.example.com",)
KEEPER = SecretKeeper({"short": BoundSecret("abcdefgh", HOST), "long": BoundSecret("abcdefgh/ijkl+m", HOST)})


def naming(*names: str) -> dict[str, Any]:
    return {"list": [1, {"text": SecretText(["a ", *(SecretRef(name) for name in names)])}], "none": None}


def test_secrets_are_put_in_wherever_they_stand() -> None:
    content = naming("short", "long")
    assert KEEPER.fill(content, "api.example.com") == {"list": [1, {"text": "a abcdefghabcdefgh/ijkl+m"}], "none": None}
    assert content["list"][1]["text"] == "a {{ secrets.short }}{{ secrets.long }}"


def test_an_unknown_secret_is_refused_by_its_name() -> None:
    with pytest.raises(
        SecretRefusal, match=r"set SOJOURN_SECRET_OTHER and SOJOURN_SECRET_OTHER_HOSTS=api\.example\.com, or add"
    ) as refused:
        KEEPER.fill(naming("other"), "api.example.com")
    assert refused.value.reason == "secret_missing"


@pytest.mark.parametrize(
    ("scheme", "host", "is_allowed"),
    [
        ("https", "api.example.com", True),
        ("https", "API.example.com", True),
        ("http", "api.example.com", False),
        ("https", "api.example.com.", False),
        ("https", "evil.api.example.com", False),
        ("https", "api.example.com.evil.org", False),
        ("https", "example.com", False),
        ("https", "", False),
    ],
)
def test_a_host_is_the_very_host(scheme: str, host: str, *, is_allowed: bool) -> None:
    if is_allowed:
        KEEPER.check_host(naming("short"), scheme, host)
        return
    with pytest.raises(SecretRefusal) as refused:
        KEEPER.check_host(naming("short"), scheme, host)
    assert refused.value.reason == "secret_refused"
    assert "abcdefgh" not in str(refused.value)


def test_content_without_secrets_goes_anywhere() -> None:
    KEEPER.check_host({"url": "http://evil.org", "text": "{{ secrets.short }}"}, "http", "evil.org")


def test_what_begins_with_another_secret_is_taken_out_whole() -> None:
    said = "abcdefgh, abcdefgh/ijkl+m, abcdefgh%2Fijkl%2Bm, abcdefgh/ijkl%2Bm"
    expected = "[secret short], [secret long], [secret long], [secret long]"
    assert KEEPER.redact(said, naming("short", "long")) == expected
    data = redact_json({"abcdefgh": [said, 1, None]}, lambda text: KEEPER.redact(text, naming("short", "long")))
    assert data == {"[secret short]": [expected, 1, None]}


@pytest.mark.parametrize(
    "echoed",
    [
        '{"Authorization": "Bearer S3CRET"}'.replace("S3CRET", r"a\"b\\c d<e"),
        "<td>a&quot;b\\c d&lt;e</td>",
        "key=a%22b%5Cc+d%3Ce",
        "key=a%22b%5cc%20d%3ce",
        'A"B\\C D<E',
    ],
)
def test_escaping_and_letter_case_hide_no_secret(echoed: str) -> None:
    keeper = SecretKeeper({"key": BoundSecret('a"b\\c d<e', HOST)})
    redacted = keeper.redact(echoed, naming("key"))
    assert "[secret key]" in redacted
    assert "c" not in redacted.lower().replace("secret", "")


def test_only_what_the_message_names_is_taken_out() -> None:
    assert KEEPER.redact("abcdefgh", naming()) == "abcdefgh"


def test_a_value_is_not_shown() -> None:
    secret = BoundSecret("abcdefgh", ("x.example.com:443",))
    fault = find_outbound_fault(secret)
    assert fault is not None
    assert "abcdefgh" not in f"{secret!r}{fault}"
