"""Users who get what a campaign has for them, once and at the right address."""

from cli.demo.cast import CART, NUDGE, REMINDER, TRIAL, cart, leaves_a_cart_until_the_nudge, scenario
from cli.demo.person import Person


@scenario(
    "ada",
    "leaves a cart and does not come back",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART}/reminder sent",
    f"{CART} completed",
    mails=(("30m", NUDGE), ("20h30m", REMINDER)),
)
async def mail_sent(ada: Person) -> None:
    await leaves_a_cart_until_the_nudge(ada)
    await ada.sees(f"{CART}/nudge sent")
    await ada.waits(hours=20)


@scenario(
    "ben",
    "leaves two carts, orders one of them",
    f"{CART} entered",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART}/nudge sent",
    f"{CART} exited: exit_event",
    f"{CART} engaged",
    mails=(("30m", NUDGE), ("30m", NUDGE)),
)
async def second_cart_has_its_own_journey(ben: Person) -> None:
    await ben.signs_up()
    await ben.does("Cart Abandoned", cart("c1"))
    await ben.does("Cart Abandoned", cart("c2"))
    await ben.waits(minutes=30)
    await ben.sees(f"{CART}/nudge sent", f"{CART}/nudge sent")
    await ben.waits(hours=1)
    await ben.does("Order Completed", {"cart_id": "c1"})
    await ben.sees(f"{CART} exited: exit_event")
    await ben.does("Email Link Clicked")


@scenario(
    "cleo",
    "has a mail server that says “later” first",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART} engaged",
    mails=(("30m", NUDGE),),
)
async def greylisted_and_delivered_once(cleo: Person) -> None:
    cleo.mail_server_says_later()
    await leaves_a_cart_until_the_nudge(cleo)
    await cleo.sees(f"{CART}/nudge reserved: deferred")
    cleo.mail_server_accepts()
    await cleo.sees(f"{CART}/nudge sent")
    await cleo.does("Email Link Clicked")


@scenario(
    "dan",
    "reads German, orders after the mail",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART} exited: exit_event",
    mails=(("30m", "{}, Ihr Warenkorb wartet"),),
)
async def language_variant(dan: Person) -> None:
    await leaves_a_cart_until_the_nudge(dan, locale="de-AT")
    await dan.sees(f"{CART}/nudge sent")
    await dan.waits(hours=2)
    await dan.does("Order Completed", {"cart_id": "c1"})


@scenario(
    "eva",
    "clicks the link in the mail",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART} engaged",
    mails=(("30m", NUDGE),),
)
async def clicked(eva: Person) -> None:
    await leaves_a_cart_until_the_nudge(eva)
    await eva.sees(f"{CART}/nudge sent")
    await eva.waits(minutes=45)
    await eva.does("Email Link Clicked")


@scenario(
    "finn",
    "leaves a cart unknown, then signs up",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART}/reminder sent",
    f"{CART} completed",
    mails=(("30m", NUDGE), ("20h30m", REMINDER)),
)
async def anonymous_user_who_then_identifies(finn: Person) -> None:
    await finn.does("Cart Abandoned", cart(), anonymous_id="browser-of-finn")
    await finn.signs_up(anonymous_id="browser-of-finn")
    await finn.waits(minutes=30)
    await finn.sees(f"{CART}/nudge sent")
    await finn.waits(hours=20)


@scenario(
    "gus",
    "does nothing with a trial",
    f"{TRIAL} entered",
    f"{TRIAL}/offer-extension sent",
    f"{TRIAL} extension-offered",
    mails=(("11d", "Seven more days for your trial, {}"),),
)
async def extension_offered(gus: Person) -> None:
    await gus.signs_up(plan="team")
    await gus.does("Trial Started")
    await gus.waits(days=11)


@scenario(
    "hana",
    "uses a feature on day 1 of a trial",
    f"{TRIAL} entered",
    f"{TRIAL}/ask-to-subscribe sent",
    f"{TRIAL}/tell-crm sent",
    f"{TRIAL} completed",
    mails=(("12d", "Keep what you built during your trial"),),
    calls=(("12d", "trial_ending"),),
)
async def subscription_asked_and_crm_told(hana: Person) -> None:
    await hana.signs_up(plan="team")
    await hana.does("Trial Started")
    await hana.waits(days=1)
    await hana.does("Feature Used")
    await hana.waits(days=11)


@scenario(
    "ivo",
    "has a cart that is reported twice",
    f"{CART} entered",
    f"{CART}/nudge sent",
    f"{CART}/reminder sent",
    f"{CART} completed",
    mails=(("30m", NUDGE), ("20h30m", REMINDER)),
)
async def duplicate_message_id(ivo: Person) -> None:
    await ivo.signs_up()
    await ivo.does("Cart Abandoned", cart(), message_id="cart-of-ivo")
    await ivo.does("Cart Abandoned", cart(), message_id="cart-of-ivo")
    await ivo.waits(minutes=30)
    await ivo.sees(f"{CART}/nudge sent")
    await ivo.waits(hours=20)
