"""The first text of a chat: what is refused when it is published, and what is rendered."""

import pytest

from domain.channels.chat import MAX_CHARACTERS, Chat
from domain.channels.kind import Unreachable
from domain.templates.template_sets import TemplateRenderError, load
from tests.domain.templates.sources import only, variables

TEXT = "---\nchannel: chat\n---\nHi {{ profile.traits.first_name }}, any questions about the prices?\n"


def test_a_text_is_rendered() -> None:
    content = only(TEXT).render(variables({"first_name": "Ada & co"}), None)
    assert content == {"text": "Hi Ada & co, any questions about the prices?"}


@pytest.mark.parametrize(
    ("body", "name"), [("{{ profile.traits.name }}", " "), ("x{{ profile.traits.name }}", "y" * MAX_CHARACTERS)]
)
def test_a_text_is_bounded(body: str, name: str) -> None:
    with pytest.raises(TemplateRenderError, match="the text"):
        only(f"---\nchannel: chat\n---\n{body}\n").render(variables({"name": name}), None)


def test_an_empty_body_is_refused_when_it_is_published() -> None:
    assert [problem.message for problem in load({"t.liquid": "---\nchannel: chat\n---\n"})[1]] == ["the body is empty"]


def test_a_contact_is_known_by_address() -> None:
    assert Chat().addresses({"email": "ada@example.com"}) == ("ada@example.com",)
    assert isinstance(Chat().addresses({"email": "ada"}), Unreachable)
    assert isinstance(Chat().addresses({}), Unreachable)
    # Refusals of the address are those of mails.
    assert Chat().normalized_address({"email": "ada@example.com"}) is None
