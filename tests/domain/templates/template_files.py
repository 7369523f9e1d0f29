"""Templates as authors write them, compiled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.errors import Problem
from domain.templates.template_sets import TemplateSet, load

EXAMPLES = Path(__file__).parents[3] / "examples" / "templates"

EMAIL = """---
channel: email
from: Example Shop <hello@example.com>
subject: 'Hi {{ profile.traits.first_name | default: "there" }}'
text: |
  Hello {{ profile.traits.first_name | default: "there" }}
---
<p>Hello {{ profile.traits.first_name | default: "there" }}</p>
"""

WEBHOOK = """---
channel: webhook
url: https://crm.example.com/hook
---
user: "{{ profile.user_id }}"
city: "{{ profile.traits.city }}"
deep: [1, 2.5, true, null, {name: "{{ campaign.name }}"}]
"""


def context(traits: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "profile": {"user_id": "u1", "traits": traits or {}},
        "entry": {"event": "Cart Abandoned", "properties": {"value": 120}, "timestamp": "2026-11-02T10:00:00+00:00"},
        "campaign": {"key": "cart", "name": "Cart"},
        "message": {"id": "m-1"},
        "unsubscribe_url": "https://example.com/u/abc",
        "preferences_url": "https://example.com/p/abc",
        "confirm_url": "https://example.com/c/abc",
        "survey_url": "https://example.com/s/abc",
        "booking_query": "email=ada%40example.com",
        **changes,
    }


def email(body: str = "<p>x</p>", **fields: str) -> str:
    given_fields = {
        "channel": "email",
        "from": "Example Shop <hello@example.com>",
        "subject": "s",
        "text": "t",
        **fields,
    }
    front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in given_fields.items())
    return f"---\n{front}\n---\n{body}"


def only(text: str) -> TemplateSet:
    sets, problems = load({"t.liquid": text})
    assert problems == []
    return sets["t"]


def problems_of(text: str) -> list[Problem]:
    return load({"t.liquid": text})[1]
