"""How a user is cast in a scenario, and what is expected of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cli.demo.person import Person

Play = Callable[[Person], Awaitable[None]]

CART, PRICE, TRIAL = "abandoned-cart", "price-drop", "trial-ending"
# Subjects of their mails; {} is the first name.
NUDGE, REMINDER = "{}, your cart is waiting", "We saved your cart"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One user's story, and what must come of it: all verdicts, all mails by subject, all webhooks by action.

    Expectations are complete: whatever else arrives or is decided is a failure.
    """

    user: str
    story: str
    verdicts: tuple[str, ...]
    mails: tuple[str, ...]
    calls: tuple[str, ...]
    play: Play


@dataclass(slots=True)
class Performance:
    """A scenario as it is played. `error` is what kept it from its end, if anything did."""

    scenario: Scenario
    person: Person
    is_over: bool = False
    error: str | None = None


SCENARIOS: list[Scenario] = []


def scenario(
    user: str, story: str, *verdicts: str, mails: tuple[str, ...] = (), calls: tuple[str, ...] = ()
) -> Callable[[Play], Play]:
    """Cast a user in a scenario."""

    def cast(play: Play) -> Play:
        subjects = tuple(subject.format(user.capitalize()) for subject in mails)
        SCENARIOS.append(Scenario(user, story, verdicts, subjects, calls, play))
        return play

    return cast


def cart(cart_id: str = "c1", value: float = 129) -> dict[str, Any]:
    """What a shop reports of a cart left behind."""
    url = f"https://shop.example.com/checkout/{cart_id}"
    return {"cart_id": cart_id, "value": value, "currency": "EUR", "checkout_url": url}


def product(name: str, price: float) -> dict[str, Any]:
    """What a shop reports of a price that has dropped."""
    return {"product": name, "price": price, "currency": "EUR"}


async def leaves_a_cart_until_the_nudge(person: Person, **traits: Any) -> None:
    """Up to the moment at which the nudge is due."""
    await person.signs_up(**traits)
    await person.does("Cart Abandoned", cart())
    await person.waits(minutes=30)
