import pytest

from domain.channels.kinds import normalized_addresses
from domain.people.addresses import (
    EmailAddress,
    Mailbox,
    is_reachable,
    normalize,
    parse_email,
    parse_mailbox,
)


@pytest.mark.parametrize(
    "address", ["ana@example.com", "ana+shop@mail.example.com", "ana@bücher.example.com", "jörg@example.com"]
)
def test_addresses_of_people_are_reachable(address: str) -> None:
    assert is_reachable(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ana",
        "ana@",
        "@example.com",
        "ana@localhost",
        "ana@example.com\r\nBcc: eve@example.com",
        "a@b@example.com",
        "Ana <ana@example.com>",
        "ana@[127.0.0.1]",
        "ana@exam ple.com",
        "x" * 65 + "@example.com",
    ],
)
def test_what_no_envelope_can_carry_is_not_reachable(address: str) -> None:
    assert not is_reachable(address)


def test_a_domain_has_an_ascii_form_and_a_local_part_has_none() -> None:
    assert parse_email("ana@bücher.example.com") == EmailAddress(
        "ana@bücher.example.com", "ana@xn--bcher-kva.example.com"
    )
    assert parse_email("jörg@example.com") == EmailAddress("jörg@example.com", None)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (" ana@example.com", "ana@example.com"),
        ("ana@example.com\r\n", "ana@example.com"),
        ("\ufeffana@example.com\u00a0", "ana@example.com"),
        ('"ana maria"@example.com', '"ana maria"@example.com'),
        ('"a@b"@example.com', '"a@b"@example.com'),
        ('"a\\"b"@example.com', '"a\\"b"@example.com'),
        ('"ana"@example.com', "ana@example.com"),
        ('"ana..maria"@example.com', '"ana..maria"@example.com'),
    ],
)
def test_blanks_around_are_no_part_of_it_and_a_local_part_may_be_quoted(text: str, written: str) -> None:
    assert parse_email(text) == EmailAddress(written, written)


@pytest.mark.parametrize(
    "text",
    ['"ana\r\nBcc: eve"@example.com', '"ana\x00"@example.com', '""@example.com', '"ana"x@example.com', '"a"b"@c.de'],
)
def test_a_quoted_local_part_holds_no_line_break(text: str) -> None:
    assert parse_email(text) is None


@pytest.mark.parametrize(
    "text",
    ["=?utf-8?q?eve=40example.net=3E=0D=0A?=@example.com", '"=?utf-8?b?ZXZl?="@example.com'],
)
def test_an_address_has_no_encoded_word(text: str) -> None:
    assert parse_email(text) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hello@example.com", ""),
        ("<hello@example.com>", ""),
        ("Example Shop <hello@example.com>", "Example Shop"),
        ('"Shop, Example" <hello@example.com>', "Shop, Example"),
        (" Füße & Söhne, Example  <hello@example.com> ", "Füße & Söhne, Example"),
    ],
)
def test_a_mailbox_is_a_name_and_an_address(text: str, name: str) -> None:
    assert parse_mailbox(text) == Mailbox(name, EmailAddress("hello@example.com", "hello@example.com"))


@pytest.mark.parametrize(
    "text",
    ["", "Shop", "Shop <>", "Shop\r\nBcc: x <a@example.com>", "<a@example.com> x", "a@example.com, b@example.com"],
)
def test_what_is_no_mailbox_is_none(text: str) -> None:
    assert parse_mailbox(text) is None


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("Ada@Example.com", "ada@example.com"),
        (" \tada@example.com\r\n", "ada@example.com"),
        ("\ufeffADA@example.com\u00a0", "ada@example.com"),
        # Whatever a mail is sent to without, the refusals of its address are known without.
        ("\u200b \ufeff\u200bada@example.com\u200b", "ada@example.com"),
        ("JÖRG@example.com", "jörg@example.com"),
        # What else makes two spellings one mailbox is the provider's rule.
        ("ada+shop@example.com", "ada+shop@example.com"),
        ("a.da@example.com", "a.da@example.com"),
        ("", None),
        (" \ufeff ", None),
        ("x" * 321, None),
    ],
)
def test_letter_case_and_blanks_around_it_make_no_other_address(written: str, known: str | None) -> None:
    assert normalize(written) == known
    assert normalized_addresses({"email": written, "plan": "pro"}) == ({} if known is None else {"email": known})


@pytest.mark.parametrize("email", [None, 42, ["ada@example.com"]])
def test_what_is_no_text_is_no_address(email: object) -> None:
    assert normalized_addresses({"email": email}) == {}
