"""Users of whose mails something is reported afterwards."""

from cli.demo.cast import CART, NUDGE, REMINDER, leaves_a_cart_until_the_nudge, scenario
from cli.demo.person import DemoPerson


@scenario(
    "ugo",
    "gave an address that does not exist",
    f"{CART} entered",
    f"{CART}/nudge sent, bounced hard",
    f"{CART}/reminder refused: suppressed",
    f"{CART} completed",
    mails=(("30m", NUDGE),),
)
async def bounced(ugo: DemoPerson) -> None:
    await leaves_a_cart_until_the_nudge(ugo)
    await ugo.sees(f"{CART}/nudge sent")
    await ugo.bounces()
    await ugo.waits(hours=20)


@scenario(
    "vera",
    "calls the mail spam",
    f"{CART} entered",
    f"{CART}/nudge sent, complained",
    f"{CART}/reminder refused: suppressed",
    f"{CART} completed",
    mails=(("30m", NUDGE),),
)
async def complained(vera: DemoPerson) -> None:
    await leaves_a_cart_until_the_nudge(vera)
    await vera.sees(f"{CART}/nudge sent")
    await vera.complains()
    await vera.waits(hours=20)


@scenario(
    "will",
    "answers the mail",
    f"{CART} entered",
    f"{CART}/nudge sent, replied",
    f"{CART} exited: exit_event",
    mails=(("30m", NUDGE),),
)
async def replied(will: DemoPerson) -> None:
    await leaves_a_cart_until_the_nudge(will)
    await will.sees(f"{CART}/nudge sent")
    await will.answers("Do you have it in green?")


@scenario(
    "xena",
    "has a mail server that follows all links",
    f"{CART} entered",
    f"{CART}/nudge sent, read by a machine",
    f"{CART}/reminder sent",
    f"{CART} completed",
    mails=(("30m", NUDGE), ("20h30m", REMINDER)),
)
async def scanned(xena: DemoPerson) -> None:
    await leaves_a_cart_until_the_nudge(xena)
    await xena.sees(f"{CART}/nudge sent")
    await xena.is_behind_a_scanner()
    # The journey still waits for a person's click.
    await xena.sees(f"{CART}/nudge sent, read by a machine")
    await xena.waits(hours=20)
