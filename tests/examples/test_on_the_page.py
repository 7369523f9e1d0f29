"""Examples of messages on the page: given to the person who is there, and taken back once they are of no use."""

import asyncio

import pytest

from tests.examples.harness import EXAMPLES, ExampleHarness, Walker
from tests.examples.site import Site


@pytest.fixture
async def site(example: ExampleHarness) -> Site:
    return await Site.open(example.harness)


def someone(example: ExampleHarness, id: str) -> Walker:
    return Walker(id, example.harness, example.receiver)


async def ends(walker: Walker, campaign: str) -> str:
    return str(await (await walker.harness.journey(walker.id, campaign)).result())


async def test_a_tour_that_is_skipped_never_comes_again(example: ExampleHarness, site: Site) -> None:
    await example.publish("first-session-tour")
    walker = someone(example, "ada")
    await walker.signs_up()
    await walker.does("Signed Up")
    page = site.page_of(walker)
    [tour] = await page.sees("first-session-tour")
    assert [step["id"] for step in tour["content"]["steps"]] == ["welcome", "offers", "prices", "account"]
    await page.reacts(tour, "shown")
    await page.reacts(tour, "dismissed", step="offers")
    assert await ends(walker, "first-session-tour") == "exited"
    assert await page.messages() == []
    await walker.does("Signed Up")
    assert await page.messages() == []
    assert "not let into first-session-tour: reentry_never" in [line.text for line in await walker.timeline()]


async def test_a_tour_left_open_is_renewed_until_it_was_seen_to_its_end(example: ExampleHarness, site: Site) -> None:
    await example.publish("first-session-tour")
    walker = someone(example, "ben")
    await walker.signs_up()
    await walker.does("Signed Up")
    page = site.page_of(walker)
    [first] = await page.sees("first-session-tour")
    await page.reacts(first, "shown")
    await walker.waits(days=7)
    [renewed] = await page.sees("first-session-tour")
    assert renewed["message_id"] != first["message_id"]
    await page.reacts(renewed, "completed")
    await walker.waits(days=7)
    assert await ends(walker, "first-session-tour") == "completed"
    assert await page.messages() == []


async def test_a_card_goes_from_the_page_when_its_cart_is_bought(example: ExampleHarness, site: Site) -> None:
    await example.publish("cart-card")
    walker = someone(example, "cleo")
    await walker.signs_up()
    page = site.page_of(walker)
    for cart, value in (("c-1", 107), ("c-2", 12)):
        await walker.does("Cart Abandoned", cart_id=cart, value=value, currency="EUR")
    cards = await page.sees("cart-card", "cart-card")
    assert {card["content"]["url"] for card in cards} == {"/cart?id=c-1", "/cart?id=c-2"}
    await walker.does("Order Completed", cart_id="c-1")
    # With the answer to the order: nothing has to be swept first.
    [left] = await page.messages()
    assert left["content"]["url"] == "/cart?id=c-2"


async def test_who_is_absent_gets_the_mail_and_no_page_after_it(example: ExampleHarness, site: Site) -> None:
    await example.publish("delivery-delayed")
    absent, present = someone(example, "dora"), someone(example, "emil")
    for walker in (absent, present):
        await walker.signs_up()
        await walker.does("Delivery Delayed", order_id=f"o-{walker.id}", new_date="Friday")
    [banner] = await site.page_of(present).sees("delivery-delayed.in_app")
    await site.page_of(present).reacts(banner, "shown")
    # The page of the other is asked only once the mail was sent.
    await example.harness.messages.until(2, channel="in_app", state="sent")
    await asyncio.gather(absent.waits(hours=1), present.waits(hours=1))
    assert [await ends(walker, "delivery-delayed") for walker in (absent, present)] == ["completed", "completed"]
    assert [mail.subject for mail in example.harness.inbox.messages] == ["Your order o-dora will be late"]
    assert await site.page_of(absent).messages() == []
    assert len(await site.page_of(present).messages()) == 1


@pytest.mark.parametrize(("arm", "words"), [("story", "fills a stadium"), ("numbers", "half the mails")])
async def test_marketers_see_another_home_page_and_the_mail_that_fits_it(
    example: ExampleHarness, site: Site, arm: str, words: str
) -> None:
    window = 'send_window: {from: "09:00", to: "18:00", days: [mon, tue, wed, thu, fri]}\n'
    assert window in (EXAMPLES / "home-by-department.yaml").read_text()
    await example.publish("home-by-department", {window: ""})
    marketer, engineer = someone(example, "fay"), someone(example, "gus")
    await marketer.drawn_as(arm, "marketers-2026", {"story": 50, "numbers": 50})
    await engineer.signs_up(department="engineering")
    await marketer.changes(department="marketing")
    await example.harness.messages.until(channel="in_app", state="sent")
    hero = await site.page_of(marketer).slot("home-hero")
    assert hero is not None
    assert words in str(hero["content"]["text"])
    assert await site.page_of(engineer).slot("home-hero") is None
    # A slot stands in the page, and is no message that a feed or a dialog shows.
    assert hero["kind"] == "slot"
    await marketer.waits(days=1)
    await example.harness.messages.until(channel="email", state="sent")
    [mail] = example.harness.inbox.messages
    assert words in mail.subject
    await marketer.does("Subscription Started")
    assert await site.page_of(marketer).slot("home-hero") is None


async def test_a_discount_is_for_those_alone_who_linger_over_the_prices(example: ExampleHarness, site: Site) -> None:
    triggers = (EXAMPLES / "page-triggers" / "page-triggers.yaml").read_text()
    await example.harness.admin("PUT", "/v1/page-triggers", {"file": "page-triggers.yaml", "source": triggers})
    assert await site.triggers() == set()
    await example.publish("pricing-discount")
    assert await site.triggers() == {"Pricing Studied"}
    lingering, other = someone(example, "hans"), someone(example, "ida")
    for walker in (lingering, other):
        await walker.signs_up()
        await walker.visits("Pricing")
    await lingering.does("Pricing Studied")
    [offer] = await site.page_of(lingering).sees("pricing-discount")
    assert offer["kind"] == "modal"
    assert offer["content"]["where"] == ["/pricing"]
    assert await site.page_of(other).messages() == []
    # It is for those who decide now.
    await site.page_of(lingering).reacts(offer, "shown")
    await lingering.waits(minutes=16)
    assert await site.page_of(lingering).messages() == []


async def test_a_feature_is_announced_until_it_was_used(example: ExampleHarness, site: Site) -> None:
    knows, learns = someone(example, "kim"), someone(example, "lou")
    await knows.signs_up(exported_at="2026-01-01T00:00:00Z")
    await learns.signs_up()
    await example.publish("feature-announcement")
    [tip] = await site.page_of(learns).sees("feature-announcement")
    assert tip["content"]["anchor"] == "[data-feature=export]"
    await learns.does("Feature Used", feature="import")
    assert len(await site.page_of(learns).messages()) == 1
    await learns.does("Feature Used", feature="export")
    assert await site.page_of(learns).messages() == []
    assert await site.page_of(knows).messages() == []


async def test_a_survey_that_is_answered_twice_counts_once(example: ExampleHarness, site: Site) -> None:
    await example.publish("checkout-survey")
    walker = someone(example, "mia")
    await walker.signs_up()
    await walker.does("Order Completed", order_id="o-1")
    page = site.page_of(walker)
    [survey] = await page.sees("checkout-survey")
    await page.reacts(survey, "shown")
    for stars in (2, 5):
        await page.reacts(survey, "answered", step="checkout", answers={"checkout": stars})
    assert await ends(walker, "checkout-survey") == "completed"
    answers = [item for item in await example.harness.timeline(walker.id) if item["summary"] == "Survey Answered"]
    assert len(answers) == 1
