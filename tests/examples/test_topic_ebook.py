"""Readers of one topic and of many, at once and over months, who get an e-book once or never."""

from datetime import datetime, timedelta

from tests.examples.harness import ExampleHarness, Line, Walker, sent

READ = Line("Article Read")
ENTERED = Line("entered topic-ebook")
FOUR = [READ] * 4


async def reads(walker: Walker, *topics: str) -> None:
    for topic in topics:
        await walker.does("Article Read", topic=topic)


def shown(at: datetime) -> list[Line]:
    return [
        *sent("show", "ebook-card", "show_ebook", at, channel="webhook"),
        *sent("advertise", "ebook-audience", "add_to_audience", at, channel="webhook"),
    ]


async def reads_five_on_one_topic_and_more(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await reads(walker, *["rust"] * 5)
    await walker.sees("advertise: webhook ebook-audience sent “add_to_audience”")
    at = await walker.time_of(ENTERED.text)
    await reads(walker, "rust")
    await walker.waits(days=2)
    await walker.comes_to_an_end()
    await reads(walker, "rust")
    return [
        *(Line("identify"), *FOUR, READ, ENTERED, *shown(at)),
        *(READ, Line("not let into topic-ebook: already_in")),
        *sent("mail", "ebook-mail", "Our e-book on rust", at + timedelta(days=2)),
        Line("topic-ebook is over: completed"),
        *(READ, Line("not let into topic-ebook: reentry_never")),
    ]


async def reads_four_on_each_of_two_topics(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await reads(walker, *["rust", "go"] * 4)
    return [Line("identify"), *FOUR, *FOUR]


async def reads_five_in_more_than_thirty_days(walker: Walker) -> list[Line]:
    """Three of them have left the window at the fifth, and two more make five within it."""
    await walker.signs_up()
    await reads(walker, *["rust"] * 3)
    await walker.waits(days=20)
    await reads(walker, "rust")
    await walker.waits(days=11)
    await reads(walker, *["rust"] * 3)
    return [Line("identify"), *FOUR, *[READ] * 3]


async def downloads_it_at_once(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await reads(walker, *["go"] * 5)
    await walker.sees("advertise: webhook ebook-audience sent “add_to_audience”")
    at = await walker.time_of(ENTERED.text)
    await walker.does("E-book Downloaded", topic="rust")
    await walker.does("E-book Downloaded", topic="go")
    return [
        *(Line("identify"), *FOUR, READ, ENTERED, *shown(at)),
        Line("E-book Downloaded"),
        Line("E-book Downloaded"),
        Line("left topic-ebook: ended by E-book Downloaded"),
        Line("reached the goal of topic-ebook: E-book Downloaded, after advertise"),
    ]


async def reads_articles_without_a_topic(walker: Walker) -> list[Line]:
    await walker.signs_up()
    for _ in range(5):
        await walker.does("Article Read")
    return [Line("identify"), *[READ, Line("not let into topic-ebook: condition")] * 5]


async def test_readers_of_a_topic_get_its_ebook(example: ExampleHarness) -> None:
    await example.compute()
    await example.publish("topic-ebook")
    timelines, wanted = await example.play(
        reads_five_on_one_topic_and_more,
        reads_four_on_each_of_two_topics,
        reads_five_in_more_than_thirty_days,
        downloads_it_at_once,
        reads_articles_without_a_topic,
    )
    assert timelines == wanted
