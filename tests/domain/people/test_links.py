import pytest

from domain.errors import InvalidLinkError
from domain.people import links
from domain.people.links import MessageLink, mark_of

LINK = {"profile_id": "0193-ä", "channel": "email", "message_id": "m-1"}
SECRETS = ["a secret of this deployment"]


def sign(secrets: list[str], **link: str) -> str:
    return links.sign(secrets, "unsubscribe", MessageLink(**link))


def read(secrets: list[str], token: str) -> MessageLink:
    return links.read(secrets, "unsubscribe", token)


@pytest.mark.parametrize("purpose", ["preferences", "confirm"])
def test_a_link_opens_no_page_of_another_purpose(purpose: links.LinkPurpose) -> None:
    """A leaked unsubscribe link shows no preferences, and confirms nothing."""
    with pytest.raises(InvalidLinkError):
        links.read(SECRETS, purpose, sign(SECRETS, **LINK))
    token = links.sign(SECRETS, purpose, MessageLink(**LINK, topic="news"))
    assert links.read(SECRETS, purpose, token) == MessageLink(**LINK, topic="news")
    with pytest.raises(InvalidLinkError):
        read(SECRETS, token)


def test_a_link_says_what_was_signed() -> None:
    assert read(SECRETS, sign(SECRETS, **LINK)) == MessageLink("0193-ä", "email", "m-1")


def test_a_link_is_the_same_on_every_attempt_and_fits_into_a_url() -> None:
    token = sign(SECRETS, **LINK)
    assert token == sign(SECRETS, **LINK)
    assert all(character.isascii() and (character.isalnum() or character in "-_.") for character in token)


IDS = {
    "profile_id": "01a2036e-c6e2-73cc-a99f-5420e163e09a",
    "channel": "email",
    "message_id": "01a2036e-c6e2-53cc-a99f-5420e163e09b",
}
# As links in mails have it that were sent before a token began with a letter.
OLD = {
    "WyIwMTkzLcOkIiwiZW1haWwiLCJtLTEiXQ.krRu2YBZtO28byc9KgiXiRZQYQ-19QaLMGwE-DjJh7A": LINK,
    ".eJyLVjIwTDQyMDZL1U02SzXSNTdOTtZNtLRM0zU1MTJINTQzTjWwTFTSUUrNTczMAdKoyk2xKU9SigUA0ocWVA"
    ".mf2QJ09MH9GemfGjQs_n8rCCchd1RHXVNAQj4YxyMNM": IDS,
}


@pytest.mark.parametrize("link", [LINK, IDS, {**IDS, "message_id": "m" * 400}])
def test_a_token_begins_with_a_letter(link: dict[str, str]) -> None:
    token = sign(SECRETS, **link)
    assert token[0].isalpha()
    assert read(SECRETS, token) == MessageLink(**link)


@pytest.mark.parametrize(("token", "link"), OLD.items())
def test_a_link_of_an_earlier_release_still_works(token: str, link: dict[str, str]) -> None:
    assert read(SECRETS, token) == MessageLink(**link)


@pytest.mark.parametrize("changed", ["profile_id", "channel", "message_id"])
def test_links_differ_with_what_they_say(changed: str) -> None:
    assert sign(SECRETS, **LINK) != sign(SECRETS, **{**LINK, changed: "another"})


@pytest.mark.parametrize(
    "token",
    ["", ".", "nonsense", "WyJhIiwiYiIsImMiXQ", sign(["another secret"], **LINK), sign(SECRETS, **LINK)[:-1], "é.é"],
)
def test_what_this_deployment_did_not_sign_is_not_found(token: str) -> None:
    with pytest.raises(InvalidLinkError) as refusal:
        read(SECRETS, token)
    assert refusal.value.status == 404


def test_secrets_rotate_with_an_overlap() -> None:
    """The newest signs, all verify, and what one has signed is broken only when it is taken away."""
    new, old = "the newest secret", "the one before"
    earlier, later = sign([old], **LINK), sign([new, old], **LINK)
    assert later == sign([new], **LINK)
    assert read([new, old], earlier) == read([new, old], later) == read([old], earlier)
    with pytest.raises(InvalidLinkError):
        read([new], earlier)


def test_a_mark_tells_secrets_apart_and_is_none() -> None:
    assert mark_of("a secret") == mark_of("a secret") != mark_of("another")
    assert "secret" not in mark_of("a secret")


def test_no_single_changed_character_is_accepted() -> None:
    token = sign(SECRETS, **LINK)
    for position, character in enumerate(token[:-1]):
        forged = token[:position] + ("A" if character != "A" else "B") + token[position + 1 :]
        with pytest.raises(InvalidLinkError):
            read(SECRETS, forged)
