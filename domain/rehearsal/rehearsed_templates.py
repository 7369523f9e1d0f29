"""The templates of a rehearsed campaign: their data, and rendered messages."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from domain.campaign.plan import Plan
from domain.campaign.rules import Rules
from domain.rehearsal.person_run import PersonRun, SentMessage
from domain.rehearsal.samples import CampaignTemplates, MessageFault, MessageFaults
from domain.sending.previews import PreviewOptions, find_message, load_template, render_loaded
from domain.templates.expected_data import ExpectedData
from domain.templates.template_sets import load
from domain.templates.trial import find_fitting

# Messages rendered of each step and channel.
MAX_RENDERED: Final = 20


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
    key: str, plan: Plan, rules: Rules, templates: CampaignTemplates, runs: Iterable[PersonRun], timezone: str
) -> RenderedSamples:
    """Render the first messages of each step and channel."""
    kept: dict[tuple[str, str], list[tuple[str, SentMessage]]] = defaultdict(list)
    for run in runs:
        for sent in run.sent:
            if len(kept[sent.step, sent.channel]) < MAX_RENDERED:
                kept[sent.step, sent.channel].append((run.user_id, sent))
    faults = MessageFaults()
    titles: dict[str, str] = {}
    for (step, channel), samples in kept.items():
        message = find_message(key, plan, rules, templates.files, step, channel, templates.compiled_bodies)
        template = load_template(message)
        for user_id, sent in samples:
            options = PreviewOptions(sent.at, deployment_timezone=timezone)
            preview = render_loaded(template, message, sent.person, options)
            faults.note(preview, user_id)
            if (title := _find_title(preview.content or {})) is not None:
                titles.setdefault(f"{step}, {channel}", title)
    rendered = {f"{step}, {channel}": len(samples) for (step, channel), samples in kept.items()}
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
