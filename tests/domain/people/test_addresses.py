import pytest

from domain.people.addresses import EmailAddress, Mailbox, is_reachable, parse_email, parse_mailbox


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
