"""Templates and data for the tests of templates."""

import json
from collections.abc import Mapping
from typing import Any

from domain.people.account_view import AccountView
from domain.templates.template_sets import TemplateSet, load
from domain.templates.variables import TemplateFacts, build_variables


def variables(traits: Mapping[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """The variables of one message."""
    facts = TemplateFacts(
        user_id="u1",
        traits=traits or {},
        event="Order Placed",
        anonymous_id="a1",
        properties=properties,
        timestamp="2026-11-02T10:00:00+00:00",
        campaign_key="order",
        campaign_name="Order",
        message_id="m-1",
        unsubscribe_url="https://example.com/u/abc",
        preferences_url="https://example.com/p/abc",
        confirm_url="https://example.com/c/abc",
        survey_url="https://example.com/s/abc",
        booking_reference="abc",
        saved={},
        answers={},
        computed={},
        stage="trial",
        account=AccountView("acme", "admin", {}),
        learned={
            "first_seen": "2026-11-01T10:00:00+00:00",
            "last_seen": "2026-11-02T10:00:00+00:00",
            "marks": {"app_version": [0, "4.2"], "country": [0, "IT"]},
        },
        locale="de",
        postal_address="1 Harbour Street",
    )
    return build_variables(facts)


def email(body: str = "<p>x</p>", **fields: str) -> str:
    """The file of an e-mail template."""
    given = {"channel": "email", "from": "Example Shop <hello@example.com>", "subject": "s", "text": "t", **fields}
    front = "\n".join(f"{key}: {value if key == 'survey' else json.dumps(value)}" for key, value in given.items())
    return f"---\n{front}\n---\n{body}"


def webhook(body: str) -> str:
    """The file of a webhook template, whose body begins on line 5."""
    return f"---\nchannel: webhook\nurl: https://crm.example.com/hook\n---\n{body}"


def only(text: str) -> TemplateSet:
    """The one template of a file that has no problems."""
    sets, problems = load({"t.liquid": text})
    assert problems == []
    return sets["t"]
