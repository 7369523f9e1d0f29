"""The rules and the history of a simulation over a period."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import Struct

from application.rehearsal.deployments import BacktestedRules
from domain.people.computed.history import list_event_names
from domain.rehearsal.activity import ActivityRules
from domain.rehearsal.known_people import OVERTAKES_WITHIN
from domain.rehearsal.omissions import Omission, list_segment_omissions, select_simulated
from domain.rehearsal.playback import Playback
from domain.rehearsal.report import Others
from domain.rehearsal.rulebook import Rulebook, build_rulebook
from domain.sending.channel_choice import ENGAGEMENT_DAYS
from domain.sending.policy import WEEKLY_PACE
from domain.sending.routes import ProviderRule
from store.history_reads import HistoryRange


class BacktestOptions(Struct, frozen=True):
    """The period and the people of a backtest.

    `others` says how campaigns count that no file gives: simulated, or by their real messages. `sample` is the share
    of people, and `segment` a key: its members now are taken. `user_ids` name single people, whose records are kept.
    """

    since: datetime
    until: datetime
    others: Others = "simulate"
    sample: float = 1.0
    segment: str | None = None
    user_ids: Sequence[str] = ()


@dataclass(frozen=True)
class Simulation:
    """The rules that are simulated, the period, and the history that they read."""

    rulebook: Rulebook
    playback: Playback
    wanted: HistoryRange
    omissions: Sequence[Omission]


def prepare(
    deployed: BacktestedRules,
    options: BacktestOptions,
    timezone: str,
    default_providers: Mapping[str, ProviderRule],
) -> Simulation:
    """Put campaigns and documents in force for a simulation.

    `timezone` is the deployment's, `default_providers` are those of channels that no document names.
    """
    chosen = [one for one in deployed.campaigns if one.is_given or options.others == "simulate"]
    kept, omissions = select_simulated([one.running for one in chosen], deployed.rules.caps)
    rulebook = build_rulebook(kept, deployed.rules, timezone, default_providers)
    keys = frozenset(one.key for one in kept)
    running = frozenset(one.running.key for one in chosen if not one.is_given)
    return Simulation(
        rulebook,
        Playback(options.since, options.until, keys, running),
        _find_range(rulebook, options, keys),
        [*omissions, *list_segment_omissions(rulebook.segments)],
    )


def _find_range(rulebook: Rulebook, options: BacktestOptions, campaigns: Iterable[str]) -> HistoryRange:
    """Return the history that the rules read."""
    names = list_event_names(rulebook.traits.definitions)
    windows = (seconds for rule in rulebook.caps for seconds in (rule.window, rule.min_gap) if seconds is not None)
    longest = max(*windows, WEEKLY_PACE.window or 0, ENGAGEMENT_DAYS * 86_400)
    return HistoryRange(
        since=options.since,
        until=options.until,
        ledger_since=options.since - timedelta(seconds=longest),
        late_since=options.since - OVERTAKES_WITHIN,
        names=None if ActivityRules(rulebook).is_followed else names,
        campaigns=sorted(campaigns),
    )
