"""How a user is cast in a scenario, and what is expected of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from cli.demo.person import DemoPerson
from domain.campaign.durations import parse_duration

Play = Callable[[DemoPerson], Awaitable[None]]

# The campaigns that run, each a file of examples/.
CAMPAIGNS = CART, PRICE, TRIAL = "abandoned-cart", "price-drop", "trial-ending"
# Subjects of their mails; {} is the first name.
NUDGE, REMINDER = "{}, your cart is waiting", "We saved your cart"


@dataclass(frozen=True, slots=True)
class Expected:
    """Something that must arrive: when, by the clock of its journey, and its title (a subject, or an action).

    It comes some time after the journey was entered, or when it is some time of the day where the user lives.
    """

    when: timedelta | time
    title: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """One user's story, and what must come of it: all verdicts, all mails, all webhooks.

    Expectations are complete: whatever else arrives or is decided is a failure.
    """

    user: str
    story: str
    verdicts: tuple[str, ...]
    mails: tuple[Expected, ...]
    calls: tuple[Expected, ...]
    play: Play


@dataclass(slots=True)
class Performance:
    """A scenario as it is played. `error` is what kept it from its end, if anything did."""

    scenario: Scenario
    person: DemoPerson
    is_over: bool = False
    error: str | None = None


SCENARIOS: list[Scenario] = []


def scenario(
    user: str,
    story: str,
    *verdicts: str,
    mails: Sequence[tuple[str, str]] = (),
    calls: Sequence[tuple[str, str]] = (),
) -> Callable[[Play], Play]:
    """Cast a user in a scenario. What arrives is written as (duration or time of the day, title)."""

    def expected(arrivals: Sequence[tuple[str, str]]) -> tuple[Expected, ...]:
        return tuple(Expected(_when(written), title.format(user.capitalize())) for written, title in arrivals)

    def cast(play: Play) -> Play:
        SCENARIOS.append(Scenario(user, story, verdicts, expected(mails), expected(calls), play))
        return play

    return cast


def _when(written: str) -> timedelta | time:
    return time.fromisoformat(written) if ":" in written else timedelta(seconds=parse_duration(written))


def cart(cart_id: str = "c1", value: float = 129) -> dict[str, Any]:
    """What a shop reports of a cart left behind."""
    url = f"https://shop.example.com/checkout/{cart_id}"
    return {"cart_id": cart_id, "value": value, "currency": "EUR", "checkout_url": url}


def product(name: str, price: float) -> dict[str, Any]:
    """What a shop reports of a price that has dropped."""
    return {"product": name, "price": price, "currency": "EUR"}


async def leaves_a_cart_until_the_nudge(person: DemoPerson, **traits: Any) -> None:
    """Up to the moment at which the nudge is due."""
    await person.signs_up(**traits)
    await person.does("Cart Abandoned", cart())
    await person.waits(minutes=30)


async def starts_a_trial(person: DemoPerson) -> None:
    """Of two weeks."""
    await person.signs_up(plan="team", trial_ends_at=(person.now() + timedelta(days=14)).isoformat())
    await person.does("Trial Started")
