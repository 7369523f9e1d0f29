"""Details of a journey in the Temporal UI, in Markdown: ids, steps, times only."""

from datetime import datetime

from domain.campaign.plan import Act, Delay, Exit, Fork, Message, Plan, Repeat, Send, SendMembers, Until, WaitFor
from domain.journey.moves import rests_until
from domain.journey.state import COMPLETED, JourneyState


def describe(plan: Plan, state: JourneyState) -> str:
    """Describe what the journey does, why and until when; then its history."""
    lines = [_now(plan, state)]
    if state.history:
        lines += ["", *(f"- {_instant(passed.at)} `{passed.step}` {passed.what}" for passed in state.history)]
    return "\n".join(lines)


def _now(plan: Plan, state: JourneyState) -> str:
    if state.outcome is not None or state.step is None:
        return f"**Over**: {state.outcome or COMPLETED}"
    node = plan.node(state.step)
    until = _until(plan, state)
    reason = (state.reason or "").replace("_", " ")
    match node:
        case Delay():
            return f"**Waiting** at `{node.id}`{until}: delay"
        case Until() if state.phase == "resting":
            return f"**Waiting** at `{node.id}`{until}: delay"
        case Until():
            return f"**Asking** until when `{node.id}` waits"
        case Repeat() if state.phase == "resting":
            return f"**Waiting** at `{node.id}`{until}: for the next round"
        case WaitFor():
            return f"**Waiting** at `{node.id}`{until}: for an event"
        case Message() if state.phase == "deferred":
            return f"**Deferred** at `{node.id}`{until}: {reason}"
        case Message() if state.phase == "held":
            return f"**Held** at `{node.id}`{until}: {reason}"
        case Send() if state.phase == "granted":
            return f"**Sending** `{node.id}` by {state.channel or node.channel}"
        case Send():
            return f"**Asking** whether `{node.id}` may go by {' or '.join(node.channels)}"
        case SendMembers() if state.phase == "granted" and state.members is not None:
            number = len(state.members.message_ids)
            return f"**Sending** `{node.id}` by {node.channel}: {number} messages"
        case SendMembers():
            return f"**Asking** to which members `{node.id}` may go by {node.channel}"
        case Exit(outcome=outcome):
            return f"**Over**: {outcome}"
        case Fork():
            return f"**Deciding** at `{node.id}`"
        case Act():
            return f"**Doing** `{node.id}`: {node.action}"


def _until(plan: Plan, state: JourneyState) -> str:
    end = rests_until(plan, state)
    if end is None:
        return ""
    return f" until {_instant(end)}" + ("" if end == state.until else ", when the schedule ends")


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
