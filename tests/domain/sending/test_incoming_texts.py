"""The words of text messages: what stops, starts and asks, in which language, and what does not."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.people.consent import STOP, ConsentFacts, find_refusal
from domain.sending.address_reports import find_address_refusal, report_refusal
from domain.sending.incoming_texts import IncomingText, Word, find_word
from domain.sending.reports import ProviderReport, TextReply

AT = datetime(2026, 12, 1, tzinfo=UTC)
STOPPED = ConsentFacts({"sms": True}, {}, {"sms": {STOP: "the person wrote STOP"}})


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("STOP", "stop"),
        ("stop.", "stop"),
        ("S\u200bTO\u00adP\u2060", "stop"),
        ("  Stop!  now", "stop"),
        ("“Stop”", "stop"),
        ("STOPALL", "stop"),
        ("Unsubscribe me please", "stop"),
        ("opt out", "stop"),
        ("OPT-OUT", "stop"),
        ("optout", "stop"),
        ("ARRÊT", "stop"),
        ("Stopp", "stop"),
        ("BAJA", "stop"),
        ("Sair", "stop"),
        ("TD", "stop"),
        ("Start", "start"),
        ("UNSTOP", "start"),
        ("HELP?", "help"),
        ("Ayuda", "help"),
        ("hilfe", "help"),
        ("yes", None),
        ("Please stop", None),
        ("stopping by later", None),
        ("optional outing", None),
        ("", None),
        ("🛑", None),
        (" " * 5_000 + "stop", None),
    ],
)
def test_the_first_word_has_its_meaning(text: str, word: Word | None) -> None:
    assert find_word(text) == word


def test_the_provider_s_reading_comes_before_ours() -> None:
    text = IncomingText(event_id="t", sender="+4915112345678", text="laat me met rust", at=AT, word="stop")
    assert text.meaning == "stop"


def said(word: Word | None) -> ProviderReport:
    reply = TextReply("…", word)
    return ProviderReport(kind="replied", event_id="t", message_id=UUID(int=1), at=AT, reply=reply)


def test_a_stop_refuses_a_start_lifts_it_and_nothing_else_does() -> None:
    assert find_address_refusal(said("stop"), is_row_full=False) == (STOP, "the person wrote STOP")
    assert find_address_refusal(said("start"), is_row_full=False) == (STOP, None)
    assert find_address_refusal(said("help"), is_row_full=False) is None
    assert find_address_refusal(said(None), is_row_full=False) is None


def test_a_provider_that_was_told_to_stop_says_no_more_than_that() -> None:
    told, gone = report_refusal(UUID(int=1), "opted_out", AT), report_refusal(UUID(int=1), "recipient_refused", AT)
    assert find_address_refusal(told, is_row_full=False) == (STOP, "the person told the provider to STOP")
    assert find_address_refusal(gone, is_row_full=False) == ("suppression", "refused")
    # The rates by which a provider's marketing is paused count hard bounces.
    assert (told.bounce, gone.bounce) == (None, "hard")


@pytest.mark.parametrize("category", ["marketing", "service", "transactional", None])
def test_a_stop_refuses_all_messages_but_one_time_codes(category: str | None) -> None:
    refusal = find_refusal("sms", category, STOPPED)
    assert refusal is not None
    assert (refusal.reason, refusal.refused_by) == ("no_consent", "address")
    assert find_refusal("sms", "one-time-code", STOPPED) is None
    assert find_refusal("email", category, STOPPED) is None


def test_silence_refuses_marketing_and_no_transactional_text() -> None:
    silent = ConsentFacts({}, {})
    assert find_refusal("sms", "marketing", silent) is not None
    assert find_refusal("sms", "transactional", silent) is None
    assert find_refusal("sms", "marketing", ConsentFacts({"sms": True}, {})) is None
