"""The assumptions of a backtest, as its report states them."""

from collections.abc import Iterator

from domain.rehearsal.rulebook import Rulebook


def list_assumptions(rulebook: Rulebook, *, takes_ledger: bool) -> Iterator[str]:
    """Iterate over the assumptions, each a sentence."""
    yield "Campaigns run all the time; no person is on hold, and no provider is paused or away."
    yield "Each message that is granted goes out at once and is sent; nothing is said about who opens it."
    yield "People do the same as they did: an effect of the messages on them is not known."
    yield "Rules and documents are those of today, as if they had always been in force."
    yield "Journeys that had begun before take their place until their real end, and their real messages count."
    if takes_ledger:
        yield "The real messages of all other campaigns count, as they went."
    if any(one.rules.entry.audience is not None for one in rulebook.campaigns.values()):
        yield "Audiences enter in shards, each at its share of the rate; of running campaigns only those that repeat."
    yield "Shards of people have their share of budgets and warm-ups that all people share."
