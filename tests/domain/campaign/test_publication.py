import pytest
from hypothesis import given, settings

from domain.campaign.plan import Fallback, Send, WaitFor
from domain.campaign.publication import MAX_PROBLEMS
from tests.domain.campaign.documents import EMAIL, HEAD, WEBHOOK, mistaken, problem, problems, publish
from tests.proofs import rounds

TEXT = HEAD + "steps:\n  - id: a\n    send:\n      channel: email\n      template: hello\n"


def test_keeps_the_templates_that_are_used_in_all_languages() -> None:
    german = "---\nsubject: Hallo\n---\n<p>Hallo</p>\n"
    files = {"hello.liquid": EMAIL, "hello.de.liquid": german, "other.liquid": EMAIL}
    assert set(publish(TEXT, files).templates) == {"hello.liquid", "hello.de.liquid"}


@pytest.mark.parametrize(
    "step",
    [
        "branch: [{when: 'true', do: [SEND]}]",
        "branch: [{when: 'true', do: []}]\n    otherwise: [SEND]",
        "wait_for: {event: Order Completed, timeout: 1d}\n    on_event: [SEND]",
        "wait_for: {event: Order Completed, timeout: 1d}\n    on_timeout: [SEND]",
        "wait_for: {events: [{event: Order Completed, do: [SEND]}], timeout: 1d}",
        "split: {arms: {mail: 9, none: 1}}\n    mail: [SEND]\n    none: []",
        "repeat: {every: 1d, times: 2}\n    do: [SEND]",
    ],
)
def test_finds_the_templates_of_steps_within_steps(step: str) -> None:
    send = "{id: b, send: {channel: email, template: hello}}"
    text = f"{HEAD}steps:\n  - id: a\n    {step}\n".replace("SEND", send)
    assert set(publish(text, {"hello.liquid": EMAIL}).templates) == {"hello.liquid"}


def test_a_template_that_is_not_used_may_have_problems() -> None:
    assert problems(TEXT, {"hello.liquid": EMAIL, "other.liquid": "{% if %}"}) == []


def test_a_missing_template_is_said_where_it_is_named() -> None:
    found = problem(TEXT.replace("hello", "helo"), {"hello.liquid": EMAIL, "hook.liquid": WEBHOOK})
    assert (found.line, found.path) == (8, "steps[0].send.template")
    assert found.message == "there is no template `helo.liquid`"
    assert found.suggestion == "Did you mean `hello`? Templates present: hello, hook"


def test_a_template_is_named_without_its_suffix() -> None:
    found = problems(TEXT.replace("hello", "emails/hello.liquid"))
    assert "`hello`" in found[0].suggestion


def test_problems_of_templates_come_with_those_of_the_document() -> None:
    text = TEXT.replace("key: abandoned-cart", "key: X").replace("channel: email", "channel: webhook")
    broken = EMAIL.replace("<p>Hello</p>", "{% if %}{% endif %}")
    found = problems(
        text + "  - {id: b, send: {channel: email, template: broken}}\n",
        {"hello.liquid": EMAIL, "broken.liquid": broken},
    )
    assert [one.file for one in found] == ["campaign.yaml", "templates/broken.liquid", "templates/hello.liquid"]


def test_the_number_of_problems_is_bounded() -> None:
    assert len(problems("a: 1\n" * 1_000)) == MAX_PROBLEMS


@pytest.mark.prove
@given(mistaken())
@settings(max_examples=rounds(20, 400))
def test_no_document_is_worse_than_refused(text: str) -> None:
    for found in problems(text):
        assert 1 <= found.line <= text.count("\n") + 1
        assert found.message
        assert found.suggestion
        # What pydantic says of a value has words of its own here, whatever the value.
        assert "Input should" not in found.message


SAVING = """---
channel: webhook
url: https://api.example.com/score
save: {score: reply.json.score, level: reply.json.level}
body: {}
---
"""
READING = EMAIL.replace("<p>", "<p>{{ journey.saved.NAME | default: 'none' }}")
SCORED = f"""{HEAD}steps:
  - {{id: ask, send: {{channel: webhook, template: ask}}}}
  - id: decide
    branch:
      - when: has(journey.saved.score) && journey.saved.NAME > 5
        do: [{{id: tell, send: {{channel: email, template: tell}}}}]
"""


def test_saved_values_are_read_by_conditions_and_templates() -> None:
    files = {"ask.liquid": SAVING, "tell.liquid": READING.replace("NAME", "level")}
    assert problems(SCORED.replace("NAME", "score"), files) == []


def test_a_value_that_no_webhook_saves_is_refused() -> None:
    files = {"ask.liquid": SAVING, "tell.liquid": READING.replace("NAME", "score")}
    found = problem(SCORED.replace("NAME", "scor"), files)
    assert (found.line, found.path) == (8, "steps[1].branch[0].when")
    assert found.message == "no webhook of the campaign saves `scor`"
    assert found.suggestion == "Did you mean `score`? Saved are: level, score"


@pytest.mark.parametrize(
    "broken",
    [
        {"tell.liquid": EMAIL.replace("<p>", "<p>{{ profile.traits.x | uppcase }}")},
        {"tell.liquid": EMAIL.replace("---", "-", 1)},
        {"tell.liquid": EMAIL, "tell.de.liquid": "---\nsubject: [\n---\n"},
        {"tell.liquid": EMAIL, "ask.liquid": SAVING.replace("body: {}", 'body: {a: "{{ b }}"}')},
        {"tell.liquid": EMAIL, "ask.liquid": SAVING.replace("reply.json.level", "reply.level")},
    ],
)
def test_an_unrelated_fault_hides_no_misspelt_name(broken: dict[str, str]) -> None:
    found = problems(SCORED.replace("NAME", "scor"), {"ask.liquid": SAVING, **broken})
    assert len(found) > 1
    assert "no webhook of the campaign saves `scor`" in [one.message for one in found]


@pytest.mark.parametrize(
    "files",
    [{"ask.liquid": SAVING.replace("---", "-", 1)}, {"ask.liquid": SAVING, "ask.de.liquid": "---\nsave: [\n---\n"}, {}],
)
def test_names_are_not_doubted_where_the_template_that_may_save_them_cannot_be_read(files: dict[str, str]) -> None:
    found = problems(SCORED.replace("NAME", "other"), {**files, "tell.liquid": EMAIL})
    assert found
    assert not any("saves" in one.message for one in found)


def test_a_template_reads_what_is_saved_only() -> None:
    files = {"ask.liquid": SAVING, "tell.liquid": READING.replace("NAME", "levl[0]")}
    found = problem(SCORED.replace("NAME", "score"), files)
    assert found.file.endswith("tell.liquid")
    assert found.suggestion == "Did you mean `level`? Saved are: level, score"


def test_a_saved_value_that_may_be_absent_is_warned_of() -> None:
    files = {"ask.liquid": SAVING, "tell.liquid": EMAIL.replace("<p>", "<p>{{ journey.saved.level }}")}
    [warning] = publish(SCORED.replace("NAME", "score"), files).warnings
    assert "journey.saved.level" in warning.message


@pytest.mark.parametrize(
    ("entry", "given", "lacking"),
    [
        ("{arrives: {place: harbour-shop}}", ["place", "name", "tags", "distance"], ["before"]),
        ("{joins: vip}", ["after"], ["before"]),
        ("{leaves: vip}", ["before"], ["after"]),
        ("{stage: loyalty}", ["after"], ["before"]),
        ("{event: Cart Abandoned}", [], ["place"]),
    ],
)
def test_what_an_entry_always_has_is_not_warned_of(entry: str, given: list[str], lacking: list[str]) -> None:
    text = TEXT.replace("{event: Cart Abandoned}", entry)
    read = " ".join(f"{{{{ entry.properties.{name} }}}}" for name in (*given, *lacking))
    warnings = publish(text, {"hello.liquid": EMAIL.replace("<p>", f"<p>{read} ")}).warnings
    paths = [f"`entry.properties.{name}`" for name in lacking]
    [warning] = [one for one in warnings if "for people without" in one.message]
    assert all(path in warning.message for path in paths)
    assert not any(f"`entry.properties.{name}`" in warning.message for name in given)


CHOICE = TEXT.replace("channel: email", "channel: CHANNEL")


def test_each_of_several_channels_has_a_template_of_its_own() -> None:
    files = {
        "hello.email.liquid": EMAIL,
        "hello.email.de.liquid": "---\nsubject: Hallo\n---\n<p>Hallo</p>\n",
        "hello.webhook.liquid": WEBHOOK,
        "hello.liquid": EMAIL,
    }
    published = publish(CHOICE.replace("CHANNEL", "[webhook, email]"), files)
    assert set(published.templates) == set(files) - {"hello.liquid"}
    node = published.plan.nodes["a"]
    assert isinstance(node, Send)
    assert (node.channels, node.is_preferred) == (("webhook", "email"), False)
    assert node.by("email") == Send("a", "email", "hello.email")


def test_a_list_of_one_channel_is_that_channel() -> None:
    one = publish(CHOICE.replace("CHANNEL", "[email]"), {"hello.liquid": EMAIL})
    assert one.plan == publish(TEXT, {"hello.liquid": EMAIL}).plan


@pytest.mark.parametrize(
    ("channel", "files", "missing"),
    [
        ("[webhook, email]", {"hello.webhook.liquid": WEBHOOK}, "hello.email.liquid"),
        ("[preferred, webhook, email]", {"hello.email.liquid": EMAIL}, "hello.webhook.liquid"),
        ("preferred", {"hello.liquid": EMAIL}, "hello.email.liquid"),
        ("email", {"hello.email.liquid": EMAIL}, "hello.liquid"),
    ],
)
def test_the_template_of_a_channel_that_is_missing_is_named(channel: str, files: dict[str, str], missing: str) -> None:
    found = problem(CHOICE.replace("CHANNEL", channel), files)
    assert found.message == f"there is no template `{missing}`"


def test_a_template_for_another_channel_is_refused() -> None:
    files = {"hello.email.liquid": EMAIL, "hello.webhook.liquid": EMAIL}
    found = problem(CHOICE.replace("CHANNEL", "[webhook, email]"), files)
    assert found.message == "'hello.webhook' is a template for email, not for webhook"


def test_a_preference_alone_is_for_the_channels_with_a_template() -> None:
    published = publish(CHOICE.replace("CHANNEL", "preferred"), {"hello.webhook.liquid": WEBHOOK})
    node = published.plan.nodes["a"]
    assert isinstance(node, Send)
    assert (node.channels, node.by("webhook").template) == (("webhook",), "hello.webhook")


@pytest.mark.parametrize(
    ("channel", "message", "remedy"),
    [
        ("[]", "the list is empty", "Write one channel"),
        ("[email, pigeon]", "`pigeon` is not a channel", "There are: email, "),
        ("[email, 3]", "`3` is not a channel", "Write one channel"),
        ("[email, email]", "`email` stands there twice", "once"),
        ("[email, preferred]", "`preferred` stands behind a channel", "first"),
        ("{first: email}", "a mapping is not a channel", "Write one channel"),
    ],
)
def test_each_mistake_in_a_list_of_channels_has_its_remedy(channel: str, message: str, remedy: str) -> None:
    [found] = [one for one in problems(CHOICE.replace("CHANNEL", channel)) if one.path == "steps[0].send.channel"]
    assert found.message == message
    assert remedy in found.suggestion


FALLBACK = CHOICE + "      fallback: {after: 6h, unless: opened}\n"


def test_a_fallback_waits_and_then_sends_and_waits_again() -> None:
    files = {"hello.email.liquid": EMAIL, "hello.webhook.liquid": WEBHOOK}
    published = publish(FALLBACK.replace("CHANNEL", "[webhook, email]") + "  - {exit: done}\n", files)
    nodes, rules = published.plan.nodes, published.rules
    first, wait, then = nodes["a"], nodes["a.wait"], nodes["a.fallback"]
    assert isinstance(first, Send)
    assert isinstance(wait, WaitFor)
    assert isinstance(then, Send)
    assert first.fallback == then.fallback == Fallback("a.wait", 21_600, "opened")
    assert (first.fallback_of, then.fallback_of) == (None, "a")
    assert first.next == then.next == "steps.2"
    assert (wait.timeout, wait.on_timeout) == (21_600, "a.fallback")
    heard = {rules.subscriptions[one.id].event for one in wait.subscriptions}
    assert {"Email Opened", "Email Link Clicked", "Email Replied"} <= heard
    assert "Email Delivered" not in heard
    assert {one.next for one in wait.subscriptions} == {"a.fallback"}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (FALLBACK.replace("CHANNEL", "email"), "steps[0].send.fallback"),
        (TEXT + "      at_once: true\n      on_capped: wait\n", "steps[0].send.on_capped"),
        (CHOICE.replace("CHANNEL", "[webhook, email]") + "      to: {role: admin}\n", "steps[0].send.channel"),
    ],
)
def test_what_excludes_one_another_in_a_send_is_refused(text: str, path: str) -> None:
    assert path in [one.path for one in problems(text)]
