"""Timeouts, retries, queues and priorities of everything that a journey asks for, in one place."""

from datetime import timedelta

from temporalio.common import Priority, RetryPolicy

from domain.campaign.plan import MessagePriority
from domain.sending.caps import is_exempt

# A question is one short transaction: a slow one has lost its database.
DECISION_TIMEOUT = timedelta(seconds=20)
# So long for the first attempt, within the workflow's own task, which is taken for lost after 10 s.
LOCAL_TIMEOUT = timedelta(seconds=3)
# A channel gives up on its provider well before this.
SEND_TIMEOUT = timedelta(seconds=90)
# An attempt whose worker died is missed after this; one that is slow says in time that it lives.
SEND_HEARTBEAT = timedelta(seconds=20)

# Operations are worked on for a minute at a time, and whoever does says every few seconds that they live.
WORK_TIMEOUT = timedelta(minutes=10)
WORK_HEARTBEAT = timedelta(seconds=5)

# Without end: a database or provider that is away comes back, and a message that is too late by then is refused by
# its own expiry.
DECISION_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
)
# What keeps the first attempt from an answer must not keep the task as well.
LOCAL_RETRY = RetryPolicy(maximum_attempts=1)
# With an end, after some 12 s: then it is looked what else is due in the life of the campaign, and tried again.
WORK_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_attempts=7)
SEND_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
)


# Temporal has 1 to 5, the first of which goes first; 3 is what nothing is said of.
URGENT, TRIGGERED, LATER = 1, 3, 4
# An operator waits for changes of a campaign, so they go before all of its journeys.
CAMPAIGN_PRIORITY = Priority(priority_key=URGENT)


def send_queue(task_queue: str, channel: str) -> str:
    """The task queue of a channel's sends, so that each provider has a pace of its own."""
    return f"{task_queue}-{channel}"


def journey_priority(campaign_key: str, *, goes_after: bool) -> Priority:
    """That of a journey and, if nothing else is said, of its activities.

    Those who have just entered by an event go before those who `goes_after`: who entered as an audience, or so long ago
    that it is caught up on. Among either, campaigns take turns.
    """
    return Priority(priority_key=LATER if goes_after else TRIGGERED, fairness_key=campaign_key[:64])


def send_priority(campaign_key: str, category: str, priority: MessagePriority) -> Priority:
    """What passes the frequency caps goes first; among the others, campaigns take turns, as their journeys do."""
    if is_exempt(category, priority):
        return Priority(priority_key=URGENT)
    return Priority(fairness_key=campaign_key[:64])
