"""The templates of a rehearsed campaign: their data, and rendered messages."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from domain.campaign.plan import Plan
from domain.campaign.rules import Rules
from domain.rehearsal.person_run import PersonRun, SentMessage
from domain.rehearsal.samples import CampaignTemplates
from domain.sending.previews import PreviewedMessage, PreviewOptions, find_message, load_template, render_loaded
from domain.templates.expected_data import ExpectedData
from domain.templates.template_sets import TemplateSet, load
from domain.templates.trial import find_fitting

# Messages rendered of each step and channel.
MAX_RENDERED: Final = 20


class RenderedFault(Struct, frozen=True):
    """A fault of rendered messages: how many have it, and one of their people.

    With `fails` there is no message; else a value is empty where the text prints it.
    """

    step: str
    channel: str
    said: str
    fails: bool
    number: int
    user_id: str


class RenderedSamples(Struct, frozen=True):
    """The number of rendered messages of each step, a first line, and faults."""

    rendered: Mapping[str, int]
    titles: Mapping[str, str]
    faults: list[RenderedFault]


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
    found: dict[tuple[str, str, str, bool], list[str]] = defaultdict(list)
    titles: dict[str, str] = {}
    for (step, channel), samples in kept.items():
        message = find_message(key, plan, rules, templates.files, step, channel, templates.compiled_bodies)
        template = load_template(message)
        for user_id, sent in samples:
            for said, fails in _render(message, template, sent, timezone, titles):
                found[step, channel, said, fails].append(user_id)
    faults = [RenderedFault(*place, len(people), people[0]) for place, people in found.items()]
    return RenderedSamples(
        {f"{step}, {channel}": len(samples) for (step, channel), samples in kept.items()}, titles, faults
    )


def _render(
    message: PreviewedMessage, template: TemplateSet, sent: SentMessage, timezone: str, titles: dict[str, str]
) -> Iterator[tuple[str, bool]]:
    options = PreviewOptions(sent.at, deployment_timezone=timezone)
    preview = render_loaded(template, message, sent.person, options)
    content = preview.content or {}
    title = next((content[name] for name in ("subject", "title", "text", "body") if content.get(name)), None)
    if isinstance(title, str):
        titles.setdefault(f"{sent.step}, {sent.channel}", title.strip().partition("\n")[0][:100])
    for problem in preview.problems:
        yield str(problem), True
    for missing in preview.missing:
        if missing.printed is not None:
            yield f"`{missing.variable}` is empty at {missing.file}:{missing.line}", False


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for name, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into.setdefault(name, dict(value) if isinstance(value, Mapping) else value)
