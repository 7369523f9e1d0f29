"""The choice of a channel: the first that reaches the person, or the one to which they react most."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from domain.campaign.plan import Send
from domain.people.device_addresses import AddressKind, DeviceAddress
from domain.people.topics.deployed import NO_TOPICS
from domain.sending.channel_choice import NOT_DELIVERED, SENT_BEFORE, ChannelHistory, Engagement, choose_channel
from domain.sending.objections import Recipient
from domain.sending.routes import DeployedProviders, ProviderRule

STEP = Send("nudge", "email", "hello", others=("webhook",))
PREFERRED = replace(STEP, is_preferred=True)
ADA: dict[str, Any] = {"email": "ada@example.com"}
PROVIDERS = DeployedProviders()


def choose(step: Send, recipient: Recipient, **history: Any) -> tuple[str, dict[str, str], tuple[str, ...]] | None:
    chosen = choose_channel(step, ChannelHistory(**history), recipient, NO_TOPICS, PROVIDERS)
    return None if chosen is None else (chosen.step.template, chosen.obstacles, chosen.others)


def test_the_first_goes_and_the_others_may_follow() -> None:
    assert choose(STEP, Recipient(ADA, {}, {})) == ("hello.email", {}, ("webhook",))


@pytest.mark.parametrize(
    ("recipient", "why"),
    [
        (Recipient({}, {}, {}), "unreachable"),
        (Recipient(ADA, {"email": False}, {}), "no_consent"),
        (Recipient(ADA, {}, {"email": "bounced"}), "suppressed"),
        (Recipient(ADA, {}, {}, {"email": {"opt_out": "by link"}}), "no_consent"),
    ],
)
def test_one_that_does_not_reach_the_person_is_passed_over(recipient: Recipient, why: str) -> None:
    assert choose(STEP, recipient) == ("hello.webhook", {"email": why}, ())


def test_one_without_a_provider_is_passed_over() -> None:
    step = replace(STEP, channel="gone", others=("webhook",))

    class Without(DeployedProviders):
        def route(self, channel: str, category: str) -> Any:
            return None if channel == "email" else super().route(channel, category)

    chosen = choose_channel(
        replace(step, channel="email"), ChannelHistory(), Recipient(ADA, {}, {}), NO_TOPICS, Without()
    )
    assert chosen is not None
    assert (chosen.step.channel, chosen.obstacles) == ("webhook", {"email": "no_provider"})


@pytest.mark.parametrize(("kind", "channel"), [("token", "push"), ("endpoint", "email")])
def test_one_whose_providers_serve_no_device_of_the_person_is_passed_over(kind: AddressKind, channel: str) -> None:
    account = {"kind": "fcm", "channel": "push", "project": "shop", "credentials": {"env": "SOJOURN_SECRET_FCM"}}
    providers = DeployedProviders((ProviderRule("firebase", "fcm", "push", account),))
    device = DeviceAddress(value="a-device", kind=kind, seen_at=datetime(2026, 12, 1, tzinfo=UTC))
    recipient = Recipient(ADA, {"push": True}, {}, devices=[device])
    chosen = choose_channel(
        Send("nudge", "push", "hello", others=("email",)), ChannelHistory(), recipient, NO_TOPICS, providers
    )
    assert chosen is not None
    assert chosen.step.channel == channel


def test_one_that_was_used_is_left_out() -> None:
    passed = {"email": NOT_DELIVERED}
    assert choose(STEP, Recipient(ADA, {}, {}), used=passed) == ("hello.webhook", passed, ())
    assert choose(STEP, Recipient(ADA, {}, {}), used={**passed, "webhook": SENT_BEFORE}) is None


def test_without_any_the_first_says_why() -> None:
    nobody = Recipient({}, {"webhook": False}, {})
    chosen = choose_channel(STEP, ChannelHistory(), nobody, NO_TOPICS, PROVIDERS)
    assert chosen is not None
    assert (chosen.step.channel, chosen.reaches) == ("email", False)
    assert chosen.data() == {
        "channel": "email",
        "passed_over": [
            {"channel": "email", "reason": "unreachable"},
            {"channel": "webhook", "reason": "no_consent"},
        ],
    }


@pytest.mark.parametrize(
    ("engagement", "first"),
    [
        ({}, "hello.email"),
        ({"webhook": Engagement(3, 1)}, "hello.webhook"),
        ({"webhook": Engagement(3, 1), "email": Engagement(6, 2)}, "hello.email"),
        ({"webhook": Engagement(2, 1), "email": Engagement(100, 40)}, "hello.webhook"),
        ({"webhook": Engagement(9, 0), "email": Engagement(1, 0)}, "hello.email"),
    ],
)
def test_the_preferred_one_is_that_of_the_higher_rate_and_of_equals_the_authors(
    engagement: dict[str, Engagement], first: str
) -> None:
    found = choose(PREFERRED, Recipient(ADA, {}, {}), engagement=engagement)
    assert found is not None
    assert found[0] == first
    assert choose(STEP, Recipient(ADA, {}, {}), engagement=engagement) == ("hello.email", {}, ("webhook",))


def test_the_timeline_has_the_numbers_of_a_preference() -> None:
    chosen = choose_channel(
        PREFERRED,
        ChannelHistory(engagement={"webhook": Engagement(4, 1)}),
        Recipient(ADA, {}, {}),
        NO_TOPICS,
        PROVIDERS,
    )
    assert chosen is not None
    assert chosen.data() == {
        "channel": "webhook",
        "engagement": [
            {"channel": "email", "messages": 0, "reactions": 0},
            {"channel": "webhook", "messages": 4, "reactions": 1},
        ],
    }
