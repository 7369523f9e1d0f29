"""Users who may not, or cannot, get a message, each with the reason."""

from cli.demo.cast import CART, NUDGE, PRICE, REMINDER, cart, leaves_a_cart_until_the_nudge, product, scenario
from cli.demo.person import DemoPerson


@scenario(
    "pia",
    "got two price mails before the cart",
    f"{PRICE} entered",
    f"{PRICE} entered",
    f"{PRICE}/price-mail sent",
    f"{PRICE}/price-mail sent",
    f"{PRICE} completed",
    f"{PRICE} completed",
    f"{CART} entered",
    f"{CART}/nudge refused: capped",
    f"{CART}/reminder deferred: capped",
    f"{CART}/reminder sent",
    f"{CART} completed",
    mails=(("0m", "A tent now costs less"), ("0m", "A stove now costs less"), ("1d", REMINDER)),
)
async def capped_by_another_campaign(pia: DemoPerson) -> None:
    await pia.signs_up()
    await pia.does("Price Dropped", product("A tent", 199))
    await pia.does("Price Dropped", product("A stove", 49))
    await pia.sees(f"{PRICE} completed", f"{PRICE} completed")
    await pia.does("Cart Abandoned", cart())
    await pia.waits(minutes=30)
    await pia.sees(f"{CART}/nudge refused: capped")
    await pia.waits(hours=20)
    await pia.sees(f"{CART}/reminder deferred: capped")
    await pia.waits(hours=4)


@scenario(
    "quin",
    "unsubscribes with one click",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART} exited: exit_event",
    f"{PRICE} entered",
    f"{PRICE}/price-mail refused: no_consent",
    f"{PRICE} completed",
    mails=(("30m", NUDGE),),
)
async def unsubscribed(quin: DemoPerson) -> None:
    await leaves_a_cart_until_the_nudge(quin)
    await quin.sees(f"{CART}/nudge sent")
    await quin.clicks_unsubscribe()
    await quin.sees(f"{CART} exited: exit_event")
    await quin.does("Price Dropped", product("A tent", 199))


@scenario(
    "rosa",
    "has a cart whose checkout_url is null",
    f"{CART} entered",
    f"{CART}/nudge failed: template_error",
    f"{CART}/reminder sent",
    f"{CART} completed",
    mails=(("20h30m", REMINDER),),
)
async def template_error(rosa: DemoPerson) -> None:
    await rosa.signs_up()
    await rosa.does("Cart Abandoned", {"cart_id": "c1", "value": 250, "checkout_url": None})
    await rosa.waits(minutes=30)
    await rosa.sees(f"{CART}/nudge failed: template_error")
    await rosa.waits(hours=20)


@scenario(
    "sven",
    "has no e-mail address",
    f"{CART} entered",
    f"{CART}/nudge refused: unreachable",
    f"{CART}/reminder refused: unreachable",
    f"{CART} completed",
)
async def no_address(sven: DemoPerson) -> None:
    await leaves_a_cart_until_the_nudge(sven, email=None)
    await sven.sees(f"{CART}/nudge refused: unreachable")
    await sven.waits(hours=20)


@scenario("tara", "leaves a cart worth 40", f"{CART} refused: condition")
async def condition_not_met(tara: DemoPerson) -> None:
    await tara.signs_up()
    await tara.does("Cart Abandoned", cart(value=40))
