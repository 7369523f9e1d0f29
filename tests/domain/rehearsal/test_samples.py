"""Samples of simulated messages."""

from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID

from domain.campaign.publication import check
from domain.rehearsal.samples import CampaignTemplates, SampledMessage, render_samples
from domain.sending.previewed_people import PreviewedPerson
from domain.sending.previews import PreviewOptions
from tests.harness import MAIL

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
CAMPAIGN = """
key: cart
name: Cart
entry: {event: Cart Abandoned}
steps: [{id: nudge, send: {channel: email, template: note}}]
"""


def message(number: int, user_id: str) -> SampledMessage:
    person = PreviewedPerson(user_id=user_id, traits={"email": f"{user_id}@example.com"}, is_real=True)
    options = PreviewOptions(AT, deployment_timezone="UTC")
    return SampledMessage(UUID(int=number), ("cart", 1), "nudge", "email", person, options)


def test_the_order_of_shards_decides_nothing() -> None:
    template = MAIL.replace("A note for", "{{ profile.traits.b }}{{ profile.traits.a }} for")
    checked = check(CAMPAIGN, "a.yaml", {"note.liquid": template})
    templates = CampaignTemplates(checked.templates, checked.compiled_bodies)
    campaigns = {("cart", 1): (checked.plan, checked.rules, templates)}
    samples = [message(2, "bob"), message(1, "ada"), message(3, "eve")]
    reports = [render_samples(order, campaigns) for order in permutations(samples)]
    assert all(one == reports[0] for one in reports)
    assert [(one.user_id, one.number) for one in reports[0]] == [("ada", 3)] * len(reports[0])
    assert [one.said for one in reports[0]] == sorted(one.said for one in reports[0])
