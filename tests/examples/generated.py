"""Generated people of the examples, as they call a service: each is made for one campaign."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from cli.rehearsal_files import load_rehearsal
from domain.rehearsal.generated_people import Draws, generate_person
from domain.rehearsal.person_run import run_person
from domain.rehearsal.rehearse import find_first_day
from domain.rehearsal.rehearsed_templates import sample_data
from domain.rehearsal.samples import CampaignTemplates
from domain.rehearsal.vocabulary import learn_vocabulary
from domain.tracking.event import Event
from tests.examples.harness import EXAMPLES

DAYS = 40
Call = dict[str, Any]


def generate_calls(campaign: str, numbers: range) -> Iterator[tuple[timedelta, Call]]:
    """Iterate over the calls of people, each after so long. Reactions are left out: they name simulated messages."""
    loaded = load_rehearsal([EXAMPLES / f"{campaign}.yaml"])
    [one] = loaded.campaigns
    templates = CampaignTemplates(one.published.templates, one.published.compiled_bodies)
    first = find_first_day(one.running.rules)
    words = learn_vocabulary(loaded.rulebook, one.running, sample_data(templates), first)
    for number in numbers:
        person = generate_person(words, Draws(campaign, str(number)), number)
        for event in run_person(person, loaded.rulebook, one.running, first, DAYS).calls:
            if "message_id" not in event.properties:
                yield event.timestamp - person.starts_at(first), _make_call(event)


def _make_call(event: Event) -> Call:
    call: Call = {"type": event.type, "userId": event.user_id, "context": event.context}
    if event.type in ("identify", "group"):
        return call | {"traits": event.properties} | ({"groupId": event.group_id} if event.group_id else {})
    return call | {"event" if event.type == "track" else "name": event.name, "properties": event.properties}
