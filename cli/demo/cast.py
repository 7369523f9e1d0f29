"""The cast of a scenario, and its expectations."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from cli.demo.person import DemoPerson
from domain.campaign.durations import parse_duration

Play = Callable[[DemoPerson], Awaitable[None]]

# The campaigns that run, each a file of examples/.
CAMPAIGNS = CART, PRICE, TRIAL = "abandoned-cart", "price-drop", "trial-ending"
# The moves outside the designed life cycle: someone buys who has never had a cart.
DEVIATIONS = ("acquisition > retention",)
# Replies are forwarded there.
DESK, FORWARDED = "service@shop.example.com", ("Re: Will, your cart is waiting",)
# Subjects of their mails; {} is the first name.
NUDGE, REMINDER = "{}, your cart is waiting", "We saved your cart"


@dataclass(frozen=True, slots=True)
class Expected:
    """An expected arrival: its time by the journey's clock, and its title.

    The title is a subject or an action. The time is relative to the journey's entry, or a time of day where the user
    lives.
    """

    when: timedelta | time
    title: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """One user's story. Its verdicts, mails and webhooks are complete."""

    user: str
    story: str
    verdicts: tuple[str, ...]
    mails: tuple[Expected, ...]
    calls: tuple[Expected, ...]
    play: Play


@dataclass(slots=True)
class Performance:
    """A scenario in progress. `error` is the reason why it stopped early."""

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
    """Cast a user in a scenario; arrivals are (duration or time of the day, title)."""

    def list_expected(arrivals: Sequence[tuple[str, str]]) -> tuple[Expected, ...]:
        return tuple(Expected(_parse_time(written), title.format(user.capitalize())) for written, title in arrivals)

    def cast(play: Play) -> Play:
        SCENARIOS.append(Scenario(user, story, verdicts, list_expected(mails), list_expected(calls), play))
        return play

    return cast


def _parse_time(written: str) -> timedelta | time:
    return time.fromisoformat(written) if ":" in written else timedelta(seconds=parse_duration(written))


def cart(cart_id: str = "c1", value: float = 129) -> dict[str, Any]:
    """Return the report of an abandoned cart."""
    url = f"https://shop.example.com/checkout/{cart_id}"
    return {"cart_id": cart_id, "value": value, "currency": "EUR", "checkout_url": url}


def product(name: str, price: float) -> dict[str, Any]:
    """Return the report of a dropped price."""
    return {"product": name, "price": price, "currency": "EUR"}


async def leaves_a_cart_until_the_nudge(person: DemoPerson, **traits: Any) -> None:
    """Play up to the moment at which the nudge is due."""
    await person.signs_up(**traits)
    await person.does("Cart Abandoned", cart())
    await person.waits(minutes=30)


async def starts_a_trial(person: DemoPerson) -> None:
    """Start a trial of two weeks."""
    await person.signs_up(plan="team", trial_ends_at=(person.now() + timedelta(days=14)).isoformat())
    await person.does("Trial Started")
