"""When a provider's marketing pauses, and which messages a pause keeps."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.sending.deliverability import (
    MAX_COMPLAINTS,
    MAX_HARD_BOUNCES,
    DeliveryCounts,
    PauseLimits,
    ProviderPause,
    RateExcess,
    describe_rate,
    find_excess,
    find_pause,
)

PAUSE = ProviderPause(UUID(int=1), "a", "complaints", 12, 8_000, 0.001, datetime(2026, 12, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("counts", "messages"),
    [
        (DeliveryCounts(delivered=1_000, complained=5), 1_000),
        (DeliveryCounts(delivered=999, complained=900), None),
        (DeliveryCounts(delivered=1_000, complained=4), None),
        # Exactly the limit is allowed.
        (DeliveryCounts(delivered=10_000, complained=10), None),
        (DeliveryCounts(delivered=10_000, complained=11), 10_000),
        # A mail server reports no deliveries: what was sent and did not come back counts.
        (DeliveryCounts(sent=1_010, hard_bounced=6, soft_bounced=4, complained=5), 1_000),
        (DeliveryCounts(sent=1_010, hard_bounced=6, soft_bounced=5, complained=5), None),
        # Fewer reports of deliveries than messages, as they have just been configured.
        (DeliveryCounts(sent=50_000, delivered=2_000, complained=30), None),
    ],
)
def test_complaints_count_from_a_thousand_deliveries_and_five_on(counts: DeliveryCounts, messages: int | None) -> None:
    found = find_excess(counts)
    assert found == (messages and RateExcess("complaints", counts.complained, messages, MAX_COMPLAINTS))


@pytest.mark.parametrize(
    ("counts", "messages"),
    [
        (DeliveryCounts(delivered=980, hard_bounced=20), None),
        (DeliveryCounts(delivered=979, hard_bounced=21), 1_000),
        (DeliveryCounts(delivered=978, hard_bounced=21), None),
        # A list of dead addresses delivers nothing.
        (DeliveryCounts(sent=1_000, hard_bounced=1_000), 1_000),
        (DeliveryCounts(delivered=10_000, soft_bounced=5_000), None),
        # Refused at the hand-over, which a mail server may do instead.
        (DeliveryCounts(sent=980, refused=20), None),
        (DeliveryCounts(sent=979, refused=10, hard_bounced=11), None),
        (DeliveryCounts(sent=990, refused=10, hard_bounced=11), 1_000),
    ],
)
def test_hard_bounces_count_from_a_thousand_messages_on(counts: DeliveryCounts, messages: int | None) -> None:
    found = find_excess(counts)
    number = counts.hard_bounced + counts.refused
    assert found == (messages and RateExcess("hard_bounces", number, messages, MAX_HARD_BOUNCES))


@pytest.mark.parametrize(
    ("by_mail", "by_provider", "number"), [(19, 0, None), (19, 4, None), (19, 5, 5), (20, 0, 20), (20, 2, 22)]
)
def test_complaints_by_mail_count_once_many_recipients_have_sent_one(
    by_mail: int, by_provider: int, number: int | None
) -> None:
    found = find_excess(DeliveryCounts(delivered=1_000, complained=by_mail + by_provider, complained_by_mail=by_mail))
    assert found == (number and RateExcess("complaints", number, 1_000, MAX_COMPLAINTS))


def test_a_provider_may_have_rates_of_its_own() -> None:
    limits = PauseLimits(complaints=0.0005, hard_bounces=0.03)
    few = DeliveryCounts(delivered=10_000, complained=6)
    assert find_excess(few) is None
    assert find_excess(few, limits) == RateExcess("complaints", 6, 10_000, 0.0005)
    assert find_excess(DeliveryCounts(delivered=975, hard_bounced=25), limits) is None


def test_a_limit_is_shown_as_it_is_written() -> None:
    assert describe_rate("complaints", 6, 10_000, 0.0005) == "6 complaints in 10,000 messages (0.06%, at most 0.05%)"
    assert describe_rate("hard_bounces", 30, 1_000, 0.02).endswith("(3.00%, at most 2%)")


def test_a_pause_keeps_the_marketing_of_its_provider_alone() -> None:
    assert find_pause([PAUSE], "a", "news") is PAUSE
    assert find_pause([PAUSE], "a", "transactional") is None
    assert find_pause([PAUSE], "b", "news") is None
