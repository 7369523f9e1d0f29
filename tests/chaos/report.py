"""What a run comes to, for people and as JSON."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from statistics import median

from domain.rehearsal.fidelity import Fidelity
from tests.chaos.auditor import kinds
from tests.chaos.run import Result


def lines(result: Result) -> Iterator[str]:
    """The report, line by line."""
    history = result.history
    yield f"Chaos of {result.length.seconds:g} s, seed {result.seed}"
    yield ""
    yield f"Faults: {_counted(fault.kind for fault in result.faults) or 'none'}"
    for kind in result.left_out:
        yield f"  left out: {kind}, since this process may not mount a small disk"
    yield f"Started again: {_listed(result.starts) or 'nothing'}"
    acknowledged = sum(call.acknowledged is not None for call in result.calls)
    ids = len({call.message_id for call in result.calls})
    yield f"Events: {len(result.calls)} sent of {ids} ids, {acknowledged} acknowledged"
    yield f"Requests sent once more, after: {_listed(result.repeats) or 'none'}"
    yield f"Moves: {_counted(move.verb for move in result.moves)}"
    yield f"Journeys: {_counted(f'{one.campaign} {one.outcome or one.state}' for one in history.journeys)}"
    yield f"Migrations: {_listed(history.migrations) or 'none'}"
    yield f"Messages: {_counted(f'{one.channel} {one.state}' for one in history.messages)}"
    yield f"Handed over: {_counted(f'{one.provider} {one.effect}' for one in history.arrivals)}"
    yield f"Reports: {_counted(f'{one.provider} {one.kind}' for one in history.reports)}"
    yield f"Readings of pages: {len(history.readings)}, messages in inboxes: {len(history.inbox)}"
    yield f"Forged reports: {_counted(f'{one.manner} {one.status}' for one in history.forgeries)}"
    yield f"Settled {result.settled_after:.1f} s after the last event"
    yield ""
    yield from _unknowns(result)
    yield from _recoveries(result)
    yield ""
    yield from _fidelity(result.fidelity)
    yield f"Violations: {_listed(kinds(result.violations)) or 'none'}"
    for violation in result.violations:
        yield f"  {violation.kind}: {violation.said}"
    yield f"Once more: make chaos SEED={result.seed} SECONDS={result.length.seconds:g}"


def as_json(result: Result) -> str:
    """The figures and the violations."""
    return json.dumps(
        {
            "seed": result.seed,
            "length": asdict(result.length),
            "faults": [asdict(fault) for fault in result.faults],
            "left_out": list(result.left_out),
            "started_again": result.starts,
            "repeats": dict(result.repeats),
            "recoveries": [asdict(recovery) for recovery in result.recoveries],
            "settled_after": result.settled_after,
            "journeys": Counter(f"{one.campaign} {one.outcome or one.state}" for one in result.history.journeys),
            "messages": Counter(f"{one.channel} {one.state}" for one in result.history.messages),
            "reports": Counter(f"{one.provider} {one.kind}" for one in result.history.reports),
            "forgeries": Counter(f"{one.manner} {one.status}" for one in result.history.forgeries),
            "violations": [asdict(violation) for violation in result.violations],
        },
        indent=2,
    )


def _unknowns(result: Result) -> Iterator[str]:
    """Each message that nobody knows the outcome of, and how often its provider has it."""
    done = Counter(arrival.message_id for arrival in result.history.arrivals if arrival.effect == "done")
    unknown = [message for message in result.history.messages if message.state == "unknown"]
    again = Counter(str(arrival.provider) for arrival in result.history.arrivals if arrival.effect == "again")
    yield f"Repeats that a provider told by their key: {_listed(again) or 'none'}"
    doubled = [message for message in result.history.messages if message.channel == "email" and done[message.id] > 1]
    yield f"Delivered twice, each marked by its attempts: {len(doubled)}"
    for message in doubled:
        yield f"  {message.category} {message.id}: {done[message.id]} deliveries, {message.attempts} attempts"
    yield f"Unknown: {len(unknown)}"
    for message in unknown:
        has = "has it" if done[message.id] else "has it not"
        yield f"  {message.provider} {message.id}: {message.reason} {message.detail or ''}; the provider {has}"
    yield ""


def _fidelity(fidelity: Fidelity) -> Iterator[str]:
    """How many decisions a replay of the events repeats, and what the others come from."""
    yield f"Replayed: {fidelity.equal} of {fidelity.decisions} decisions are equal"
    yield f"Others, by their causes: {_listed(fidelity.causes) or 'none'}"
    for one in fidelity.examples:
        if one.cause == "unknown":
            yield f"  unknown: {one.campaign} of {one.user_id}: really {one.real}, simulated {one.simulated}"
    yield ""


def _recoveries(result: Result) -> Iterator[str]:
    """How long it took from the end of each fault to a message whose event was reported then."""
    by_kind = defaultdict(list)
    yield "Recovery, in seconds from the end of the fault (+ other faults came between)"
    for recovery in sorted(result.recoveries, key=lambda one: one.fault.at):
        fault, mark = recovery.fault, " +" if recovery.meanwhile else ""
        yield f"  at {fault.at:6.1f}  {fault.kind:14} for {fault.seconds:5.1f}: {recovery.seconds:6.2f}{mark}"
        by_kind[fault.kind].append(recovery.seconds)
    yield f"  {'':14}   n  median     max"
    for kind, seconds in sorted(by_kind.items()):
        yield f"  {kind:14} {len(seconds):3} {median(seconds):7.2f} {max(seconds):7.2f}"


def _counted(names: Iterable[str]) -> str:
    return _listed(Counter(names))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
