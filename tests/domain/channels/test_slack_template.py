"""The template of a text for Slack: what is refused when it is published, and what is rendered."""

from typing import Any

import pytest

from domain.channels.slack import MAX_CHARACTERS
from domain.templates.template_sets import TemplateRenderError, load
from tests.domain.templates.sources import only, variables


def slack(to: str = '"#sales"', body: str = "Hi {{ profile.traits.name }}") -> str:
    return f"---\nchannel: slack\nto: {to}\n---\n{body}\n"


def render(text: str, **traits: Any) -> dict[str, Any]:
    return only(text).render(variables(traits), None)


def test_a_text_goes_to_a_channel_or_a_colleague() -> None:
    assert render(slack(), name="Ada") == {"to": "#sales", "text": "Hi Ada"}
    owner = slack("'{{ profile.traits.owner }}'", "<https://crm.example.com|Open> *now*")
    assert render(owner, owner=" eva@shop.example ") == {
        "to": "eva@shop.example",
        "text": "<https://crm.example.com|Open> *now*",
    }


def test_no_value_mentions_or_links() -> None:
    content = render(slack(), name='<!channel> & <https://evil.example|"O\'Neil">')
    assert content["text"] == 'Hi &lt;!channel&gt; &amp; &lt;https://evil.example|"O\'Neil"&gt;'


@pytest.mark.parametrize("owner", ["", "no address@", "two words", "a@b", "#", "<!here>"])
def test_a_receiver_that_is_none_is_refused_for_the_person(owner: str) -> None:
    with pytest.raises(TemplateRenderError, match="neither a channel nor an e-mail address"):
        render(slack("'{{ profile.traits.owner }}'"), owner=owner)


@pytest.mark.parametrize("name", ["", "A" * MAX_CHARACTERS])
def test_a_text_is_bounded(name: str) -> None:
    text = slack(body="{{ profile.traits.name }}" if not name else "Hi {{ profile.traits.name }}")
    with pytest.raises(TemplateRenderError, match="the text"):
        render(text, name=name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (slack("sales team"), "this is neither a channel nor an e-mail address"),
        (slack("eva@"), "this is neither a channel nor an e-mail address"),
        (slack(body=" "), "the body is empty"),
        (slack().replace('to: "#sales"\n', ""), "'to' is missing"),
    ],
)
def test_what_cannot_be_posted_is_refused_when_it_is_published(text: str, message: str) -> None:
    assert message in [problem.message for problem in load({"t.liquid": text})[1]]
