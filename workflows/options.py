"""Timeouts, retries, queues and priorities of a journey's activities."""

from datetime import timedelta

from temporalio.common import Priority, RetryPolicy

from domain.campaign.plan import MessagePriority
from domain.sending.caps import is_exempt

# A request is one short transaction: a slow one has lost its database.
DECISION_TIMEOUT = timedelta(seconds=20)
# The limit of the first attempt, within the workflow's own task, which times out after 10 s.
LOCAL_TIMEOUT = timedelta(seconds=3)
# A channel gives up on its provider well before this.
SEND_TIMEOUT = timedelta(seconds=90)
# An attempt whose worker died times out after this; a slow one sends heartbeats.
SEND_HEARTBEAT = timedelta(seconds=20)

# Operations run for a minute at a time, with heartbeats every few seconds.
WORK_TIMEOUT = timedelta(minutes=10)
WORK_HEARTBEAT = timedelta(seconds=5)

# Unlimited: a database or provider will be back, and a late message is refused by its expiry.
DECISION_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
)
# The failure of a first attempt must not block the task as well.
LOCAL_RETRY = RetryPolicy(maximum_attempts=1)
# Limited to some 12 s: then other due work of the campaign is done first.
WORK_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_attempts=7)
SEND_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(minutes=5)
)


# Temporal has 1 to 5, with 1 the highest; 3 is the default.
URGENT, TRIGGERED, LATER = 1, 3, 4
# An operator waits for changes of a campaign, so they precede all of its journeys.
CAMPAIGN_PRIORITY = Priority(priority_key=URGENT)


def send_queue(task_queue: str, channel: str) -> str:
    """Return the task queue of a channel's sends, whose rate limit is its own."""
    return f"{task_queue}-{channel}"


def provider_queue(task_queue: str, channel: str, provider: str) -> str:
    """Return the task queue of a provider with a pace of its own."""
    return f"{send_queue(task_queue, channel)}-{provider}"


def journey_priority(campaign_key: str, *, goes_after: bool) -> Priority:
    """Return the priority of a journey, and by default of its activities.

    Journeys entered by a recent event precede those with `goes_after`: entries of an audience, or late ones. Within
    each, campaigns take turns.
    """
    return Priority(priority_key=LATER if goes_after else TRIGGERED, fairness_key=campaign_key[:64])


def send_priority(campaign_key: str, category: str, priority: MessagePriority) -> Priority:
    """Return the priority of a send: messages exempt from caps go first."""
    if is_exempt(category, priority):
        return Priority(priority_key=URGENT)
    return Priority(fairness_key=campaign_key[:64])
