"""replies.yaml: patterns of RE2, and what is wrong with a document, all at once."""

import pytest

from domain.errors import InvalidDocumentError
from domain.sending.replies_document import (
    INITIAL_REPLIES,
    MAX_PATTERNS,
    ReplyPattern,
    find_patterns,
    parse_replies,
    to_document,
)


def test_a_pattern_is_found_anywhere_in_any_letter_case() -> None:
    rules = parse_replies(r"patterns: [{name: price, when: ['\bprice\b', preis]}, {name: yes, when: [^yes]}]", "r.yaml")
    assert rules == (ReplyPattern("price", (r"\bprice\b", "preis")), ReplyPattern("yes", ("^yes",)))
    assert find_patterns(rules, "Yes, at that PRICE") == ("price", "yes")
    assert find_patterns(rules, "Der Preis?\nyes") == ("price",)
    assert find_patterns(rules, "priceless") == ()
    assert [to_document(rule) for rule in rules][1] == {"name": "yes", "when": ["^yes"]}
    assert parse_replies(INITIAL_REPLIES, "r.yaml") == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("patterns: [{name: price, when: ['(']}]", "is not a pattern"),
        (r"patterns: [{name: price, when: ['\pL{1000}']}]", "is not a pattern"),
        ("patterns: [{name: price, when: []}]", "when"),
        ("patterns: [{name: Price, when: [a]}]", "Price"),
        ("patterns: [{name: a, when: [b]}, {name: a, when: [c]}]", "`a` is used twice"),
        (f"patterns: [{'{name: a, when: [b]}, ' * (MAX_PATTERNS + 1)}]", "patterns"),
    ],
)
def test_what_is_wrong_is_named(text: str, problem: str) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        parse_replies(text, "replies.yaml")
    assert problem in str([vars(one) if hasattr(one, "__dict__") else one for one in refused.value.problems])


def test_an_expression_takes_no_longer_than_its_text() -> None:
    [rule] = parse_replies("patterns: [{name: a, when: ['(a+)+$']}]", "replies.yaml")
    assert find_patterns([rule], "a" * 8_000 + "b") == ()
