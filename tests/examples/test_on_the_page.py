"""Examples of messages on the page: given to the person who is there, and taken back once they are of no use."""

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
