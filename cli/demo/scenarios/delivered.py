"""Users who get their messages, once and at the right address."""

from datetime import timedelta

from cli.demo.cast import (
    CART,
    NUDGE,
    REMINDER,
    TRIAL,
    cart,
    leaves_a_cart_until_the_nudge,
    scenario,
    starts_a_trial,
)
from cli.demo.person import DemoPerson
from cli.demo.zones import zone_where_it_is


@scenario(
    "ada",
    "leaves a cart and does not come back",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART}/reminder sent",
    f"{CART} completed",
    mails=(("30m", NUDGE), ("20h30m", REMINDER)),
)
async def mail_sent(ada: DemoPerson) -> None:
    await leaves_a_cart_until_the_nudge(ada)
    await ada.sees(f"{CART}/nudge sent")
    await ada.waits(hours=20)


@scenario(
    "ben",
    "leaves two carts, orders one of them",
    f"{CART} entered",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART}/nudge sent, opened, clicked",
    f"{CART} exited: exit_event",
    f"{CART}/nudge converted",
    f"{CART} engaged",
    mails=(("30m", NUDGE), ("30m", NUDGE)),
)
async def second_cart_has_its_own_journey(ben: DemoPerson) -> None:
    await ben.signs_up()
    await ben.does("Cart Abandoned", cart("c1"))
    await ben.does("Cart Abandoned", cart("c2"))
    await ben.waits(minutes=30)
    await ben.sees(f"{CART}/nudge sent", f"{CART}/nudge sent")
    await ben.waits(hours=1)
    await ben.does("Order Completed", {"cart_id": "c1"})
    await ben.sees(f"{CART} exited: exit_event")
    await ben.clicks()


@scenario(
    "cleo",
    "has a mail server that says “later” first",
    f"{CART} entered",
    f"{CART}/nudge sent, opened, clicked",
    f"{CART} engaged",
    mails=(("30m", NUDGE),),
)
async def greylisted_and_delivered_once(cleo: DemoPerson) -> None:
    cleo.mail_server_says_later()
    await leaves_a_cart_until_the_nudge(cleo)
    await cleo.sees(f"{CART}/nudge reserved: deferred")
    cleo.mail_server_accepts()
    await cleo.sees(f"{CART}/nudge sent")
    await cleo.clicks()


@scenario(
    "dan",
    "reads German, orders after the mail",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART} exited: exit_event",
    f"{CART}/nudge converted",
    mails=(("30m", "{}, Ihr Warenkorb wartet"),),
)
async def language_variant(dan: DemoPerson) -> None:
    await leaves_a_cart_until_the_nudge(dan, locale="de-AT")
    await dan.sees(f"{CART}/nudge sent")
    await dan.waits(hours=2)
    await dan.does("Order Completed", {"cart_id": "c1"})


@scenario(
    "eva",
    "leaves a cart at night, opens the mail, clicks",
    f"{CART} entered",
    f"{CART}/nudge deferred: send_window",
    f"{CART}/nudge sent, opened, clicked",
    f"{CART} engaged",
    mails=(("09:00", NUDGE),),
)
async def night_passed_before_the_mail(eva: DemoPerson) -> None:
    eva.timezone = zone_where_it_is(22, eva.now())
    await leaves_a_cart_until_the_nudge(eva)
    await eva.sees(f"{CART}/nudge deferred: send_window")
    await eva.waits(hours=12)
    await eva.sees(f"{CART}/nudge sent")
    await eva.waits(minutes=45)
    await eva.opens()
    await eva.clicks()


@scenario(
    "finn",
    "leaves a cart unknown, then signs up",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART}/reminder sent",
    f"{CART} completed",
    mails=(("30m", NUDGE), ("20h30m", REMINDER)),
)
async def anonymous_user_who_then_identifies(finn: DemoPerson) -> None:
    await finn.does("Cart Abandoned", cart(), anonymous_id="browser-of-finn")
    await finn.signs_up(anonymous_id="browser-of-finn")
    await finn.waits(minutes=30)
    await finn.sees(f"{CART}/nudge sent")
    await finn.waits(hours=20)


@scenario(
    "gus",
    "does nothing with a trial, then extends it",
    f"{TRIAL} entered",
    f"{TRIAL}/offer-extension sent",
    f"{TRIAL}/ask-to-subscribe sent",
    f"{TRIAL}/tell-crm sent",
    f"{TRIAL} completed",
    mails=(("7d", "Seven more days for your trial, {}"), ("18d", "Keep what you built during your trial")),
    calls=(("20d", "trial_ending"),),
)
async def trial_extended(gus: DemoPerson) -> None:
    await starts_a_trial(gus)
    await gus.waits(days=7)
    await gus.sees(f"{TRIAL}/offer-extension sent")
    await gus.changes(trial_ends_at=(gus.now() + timedelta(days=14)).isoformat())
    await gus.waits(days=11)
    await gus.sees(f"{TRIAL}/ask-to-subscribe sent")
    await gus.waits(days=2)


@scenario(
    "hana",
    "uses a feature on day 1 of a trial",
    f"{TRIAL} entered",
    f"{TRIAL}/ask-to-subscribe sent",
    f"{TRIAL}/tell-crm sent",
    f"{TRIAL} completed",
    mails=(("11d", "Keep what you built during your trial"),),
    calls=(("13d", "trial_ending"),),
)
async def subscription_asked_and_crm_told(hana: DemoPerson) -> None:
    await starts_a_trial(hana)
    await hana.waits(days=1)
    await hana.does("Feature Used")
    await hana.waits(days=10)
    await hana.sees(f"{TRIAL}/ask-to-subscribe sent")
    await hana.waits(days=2)


@scenario(
    "ivo",
    "has a cart that is reported twice",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART}/reminder sent",
    f"{CART} completed",
    mails=(("30m", NUDGE), ("20h30m", REMINDER)),
)
async def duplicate_message_id(ivo: DemoPerson) -> None:
    await ivo.signs_up()
    await ivo.does("Cart Abandoned", cart(), message_id="cart-of-ivo")
    await ivo.does("Cart Abandoned", cart(), message_id="cart-of-ivo")
    await ivo.waits(minutes=30)
    await ivo.sees(f"{CART}/nudge sent")
    await ivo.waits(hours=20)
