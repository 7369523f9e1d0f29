"""Previews: what is rendered, what is missing, who is invented, and what the links lead to."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from domain.campaign.rules import LinkRule
from domain.channels.email import MAX_SHOWN_BYTES
from domain.errors import InvalidDocumentError
from domain.sending.previewed_people import GivenPerson, PreviewedPerson, merge_given
from domain.sending.previews import MessagePreview, PreviewedMessage, PreviewOptions, render_preview
from domain.templates.template_sets import load
from tests.domain.templates.sources import email

AT = datetime(2026, 12, 24, 8, tzinfo=UTC)
OPTIONS = PreviewOptions(AT, public_url="https://sojourn.example.com")


def preview(
    files: dict[str, str] | str,
    person: PreviewedPerson | None = None,
    options: PreviewOptions = OPTIONS,
    **more: Any,
) -> MessagePreview:
    given = {"t.liquid": files} if isinstance(files, str) else files
    message = PreviewedMessage(**{"template": "t", "category": "marketing", "files": given, **more})
    return render_preview(message, person, options)


def invented(text: str, **more: Any) -> PreviewedPerson:
    """A person of a file, as the command reads it."""
    given = msgspec.convert(msgspec.json.decode(text), GivenPerson)
    return merge_given(PreviewedPerson(**more), given, None, AT)


def german(body: str) -> str:
    """The file of a variant."""
    return f"---\nsubject: s\n---\n{body}"


def html(found: MessagePreview) -> str:
    assert found.content is not None, found.problems
    return str(found.content["html"])


def test_missing_variables_are_listed_with_place_and_output() -> None:
    body = (
        "<p>{{ profile.traits.name | default: 'you' }}</p>\n"
        "{% if profile.traits.vip %}VIP{% endif %}\n"
        "{% for item in entry.properties.items %}{{ item.name | default: 'thing' }},{% endfor %}\n"
        "{% assign city = profile.traits.city %}{{ city | default: 'here' }}"
    )
    person = invented('{"entry": {"properties": {"items": [{"name": "Tea"}, {}]}}}')
    found = preview(email(body), person)
    assert html(found).startswith("<p>you</p>")
    assert [(one.variable, one.line, one.printed) for one in found.missing] == [
        ("profile.traits.name", 7, "you"),
        ("profile.traits.vip", 8, None),
        ("item.name", 9, "thing"),
        ("profile.traits.city", 10, "here"),
    ]
    assert {one.file for one in found.missing} == {"t.liquid"}


def test_nothing_is_missing_for_who_has_all_of_it() -> None:
    body = "<p>{{ profile.traits.name | default: 'you' }}</p>"
    assert preview(email(body), invented('{"profile": {"traits": {"name": "Ada"}}}')).missing == []


def test_the_variant_that_prints_is_named() -> None:
    files = {
        "t.liquid": email(),
        "t.de.liquid": "---\nsubject: s\n---\n<p>{{ profile.traits.name | default: 'du' }}</p>",
    }
    [missing] = preview(files, PreviewedPerson(traits={"locale": "de-AT"})).missing
    assert (missing.file, missing.line, missing.printed) == ("t.de.liquid", 4, "du")


def test_a_value_of_json_is_missing_as_null() -> None:
    hook = '---\nchannel: webhook\nurl: https://crm.example.com/hook\n---\n{"n": {{ profile.traits.n | json }}}'
    found = preview(hook, PreviewedPerson())
    assert found.content is not None
    assert found.content["data"] == {"n": None}
    assert [(one.variable, one.printed) for one in found.missing] == [("profile.traits.n", "null")]


def test_every_place_that_fails_is_a_problem() -> None:
    found = preview(email("<p>{{ profile.traits.name }}</p>", subject="{{ profile.traits.order }}"), PreviewedPerson())
    assert found.content is None
    assert [one.message for one in found.problems] == [
        "profile.traits.name has no value for this user",
        "profile.traits.order has no value for this user",
    ]


def test_a_person_is_invented_who_has_all_that_is_read() -> None:
    body = (
        "{{ profile.traits.name }} {{ profile.computed.orders | number }} {{ account.traits.plan }} {{ entry.event }}"
        "{% for item in entry.properties.items %}{{ item.price | money: 'EUR' }}{% endfor %}{{ profile.country }}"
    )
    found = preview(email(body), entry_event="Order Placed")
    assert found.is_invented
    assert html(found) == "Sample 7 Sample Order Placed€7.00€7.00Sample"
    assert found.missing == []


def test_a_message_that_asks_for_consent_can_be_shown_for_who_is_invented() -> None:
    body = "<a href='{{ confirm_url }}'>Yes</a>"
    assert "https://sojourn.example.com/confirm/preview" in html(preview(email(body), category="transactional"))
    # A real person of another journey has no such link.
    real = PreviewedPerson(is_real=True)
    assert preview(email(body), real, category="transactional").content is None


def test_links_of_the_recipient_open_nothing() -> None:
    body = "{{ unsubscribe_url }} {{ preferences_url }}"
    found = html(preview(email(body), PreviewedPerson(is_real=True)))
    assert found == "https://sojourn.example.com/unsubscribe/preview https://sojourn.example.com/preferences/preview"
    transactional = preview(email("{% if unsubscribe_url %}no{% endif %}"), PreviewedPerson(), category="transactional")
    assert html(transactional) == ""


def test_links_have_the_campaigns_utm_parameters_and_no_tracking() -> None:
    links = LinkRule(clicks=True, opens=True, utm={"source": "mail"})
    body = "<a href='https://shop.example.com/c'>Cart</a> <a href='{{ unsubscribe_url }}'>Stop</a>"
    found = html(preview(email(body), PreviewedPerson(), links=links, campaign="cart", step="nudge"))
    assert "https://shop.example.com/c?utm_source=mail&amp;utm_campaign=cart&amp;utm_content=nudge" in found
    assert "https://sojourn.example.com/unsubscribe/preview" in found
    assert "<img" not in found


@pytest.mark.parametrize(
    ("locale", "default", "language", "warning"),
    [
        ("de-AT", None, "de", None),
        ("pt-BR", None, None, "t is not written in `pt-BR`: the person gets the default"),
        ("pt-BR", "en", None, "t is not written in `pt-BR`: the person gets `en`"),
        ("en-GB", "en", None, None),
        (None, "en", None, None),
    ],
)
def test_a_fallback_language_is_a_warning(
    locale: str | None, default: str | None, language: str | None, warning: str | None
) -> None:
    said = {} if default is None else {"language": default}
    files = {"t.liquid": email(**said), "t.de.liquid": german("<p>Hallo</p>")}
    found = preview(files, PreviewedPerson(traits={"locale": locale} if locale else {}))
    assert found.language == language
    assert found.warnings == ([] if warning is None else [warning])
    assert found.is_fallback == (warning is not None)


def test_language_and_zone_of_the_options_replace_the_persons() -> None:
    files = {
        "t.liquid": email(),
        "t.de.liquid": "---\nsubject: s\n---\n{{ 'now' | localized_date: 'long' }} {{ profile.locale }}",
    }
    person = PreviewedPerson(traits={"locale": "fr", "timezone": "Europe/Paris"})
    late = datetime(2026, 12, 24, 23, 30, tzinfo=UTC)
    found = preview(files, person, PreviewOptions(late, language="de", timezone="Asia/Tokyo"))
    assert html(found) == "25. Dezember 2026 de"
    assert found.timezone == "Asia/Tokyo"


def test_html_that_is_cut_off_is_a_warning() -> None:
    size = MAX_SHOWN_BYTES - len("<p></p>")
    assert preview(email(f"<p>{'x' * size}</p>")).warnings == []
    [warning] = preview(email(f"<p>{'x' * (size + 1)}</p>")).warnings
    assert warning == "the HTML has 103 KB: Gmail cuts a mail off at 102 KB"


def test_given_data_replace_the_persons_and_null_takes_away() -> None:
    person = invented(
        '{"profile": {"traits": {"name": null, "city": "Rome"}}, "account": {"role": "admin"}}',
        traits={"name": "Ada", "plan": "pro"},
        user_id="u-1",
    )
    body = "{{ profile.user_id }} {{ profile.traits.name | default: '-' }} {{ profile.traits.city }} {{ account.role }}"
    assert html(preview(email(body + " {{ profile.traits.plan }}"), person)) == "u-1 - Rome admin pro"


def test_secrets_stand_by_their_names() -> None:
    hook = "---\nchannel: webhook\nmethod: GET\nurl: https://a.example.com/?k={{ secrets.crm_key }}\n---\n"
    found = preview(hook, PreviewedPerson())
    assert found.content is not None
    assert found.content["url"] == "https://a.example.com/?k={{ secrets.crm_key }}"


def test_a_template_with_problems_is_refused_with_all_of_them() -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        preview(email("{{ profil.x }}", subject="{{ 'x' | upcas }}"))
    assert len(refused.value.problems) == 2
    with pytest.raises(InvalidDocumentError) as refused:
        preview({"tea.liquid": email()})
    assert "there is no template `t.liquid`" in str(refused.value.problems[0])


def test_the_language_of_the_default_is_checked() -> None:
    for text, message in (
        (email(language="english"), "this is not a language"),
        (email(language="{{ profile.locale }}"), "this is not a language"),
    ):
        _, [problem] = load({"t.liquid": text})
        assert problem.message == message
    _, [problem] = load({"t.liquid": email(), "t.de.liquid": "---\nlanguage: de\n---\n<p>x</p>"})
    assert problem.message == "the name of the file says the language"
