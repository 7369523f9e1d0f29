"""The templates of a rehearsed campaign: their data, and rendered messages."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from domain.campaign.plan import Plan
from domain.campaign.rules import Rules
from domain.rehearsal.rehearsal_tally import Samples
from domain.rehearsal.samples import CampaignTemplates, MessageFault, MessageFaults
from domain.sending.previews import PreviewOptions, find_message, load_template, render_loaded
from domain.templates.expected_data import ExpectedData
from domain.templates.template_sets import load
from domain.templates.trial import find_fitting


class RenderedSamples(Struct, frozen=True):
    """The number of rendered messages of each step, a first line, and faults."""

    rendered: Mapping[str, int]
    titles: Mapping[str, str]
    faults: list[MessageFault]


def sample_data(templates: CampaignTemplates) -> dict[str, Any]:
    """Return data for which the templates can probably be rendered."""
    sets, _ = load(templates.files, templates.compiled_bodies)
    merged: dict[str, Any] = {}
    for template in sets.values():
        for variant in template.variants.values():
            expected = ExpectedData(text.nodes for text in variant.texts())
            _merge(merged, expected.sample(next(iter(find_fitting(expected)))))
    return merged


def render_messages(
    key: str, plan: Plan, rules: Rules, templates: CampaignTemplates, samples: Samples, timezone: str
) -> RenderedSamples:
    """Render the kept messages of each step and channel."""
    faults = MessageFaults()
    titles: dict[str, str] = {}
    for (step, channel), messages in samples.items():
        message = find_message(key, plan, rules, templates.files, step, channel, templates.compiled_bodies)
        template = load_template(message)
        for user_id, sent in messages:
            options = PreviewOptions(sent.at, deployment_timezone=timezone)
            preview = render_loaded(template, message, sent.person, options)
            faults.note(preview, user_id)
            if (title := _find_title(preview.content or {})) is not None:
                titles.setdefault(f"{step}, {channel}", title)
    rendered = {f"{step}, {channel}": len(messages) for (step, channel), messages in samples.items()}
    return RenderedSamples(rendered, titles, faults.list_by_number())


def _find_title(content: Mapping[str, Any]) -> str | None:
    """Return the line with which a message begins."""
    title = next((content[name] for name in ("subject", "title", "text", "body") if content.get(name)), None)
    return title.strip().partition("\n")[0][:100] if isinstance(title, str) else None


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for name, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into.setdefault(name, dict(value) if isinstance(value, Mapping) else value)
