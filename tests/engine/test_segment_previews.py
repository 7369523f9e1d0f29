"""How many people would be in a segment: estimated from people drawn at random, and counted."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random, randrange
from time import perf_counter

import pytest

from application.deployment_documents import DeploymentDocuments
from application.operations.runner import OperationRunner
from application.operations.service import OperationService
from application.segment_previews import MAX_SECONDS, CountHandler, SegmentPreviews
from domain.access import SOJOURN
from domain.deployment_documents import LIFECYCLE, PLACES, TOPICS
from domain.errors import ConflictError, InvalidDocumentError
from runtime.documents import DocumentProcesses
from store import people_sample
from store.operations import Operation
from tests.engine.computed_harness import CHECKS, event
from tests.engine.generated_segments import TRAITS, generate_one
from tests.engine.segment_harness import SegmentHarness, segment_harness
from tests.proofs import rounds

AREA = "areas: [{key: north, point: [60, 10], radius: 100000}]"
REGIMES = "topics: [{key: news, name: News}]\nregimes: [{regime: opt_out, channels: [email], countries: [US]}]"
STAGES = """stages:
  - {key: reach, when: "true"}
  - {key: customer, when: profile.computed.orders >= 1}
"""
CROWD = """
INSERT INTO profiles (id, user_id, traits)
SELECT uuidv7(), 'u' || number, jsonb_build_object('number', number) FROM generate_series(1, %s) AS number
"""


class PreviewHarness:
    def __init__(self, harness: SegmentHarness) -> None:
        self.segments = harness
        self.previews = SegmentPreviews(harness.database, harness.catalogue, DocumentProcesses())

    async def gather(self, people: int) -> None:
        """Make people, numbered by a trait."""
        async with self.segments.database.transaction() as connection:
            await connection.execute(CROWD, (people,))

    async def put_documents(self) -> None:
        """Put an area, a regime and a life cycle in force."""
        documents = DeploymentDocuments(self.segments.database, CHECKS)
        for kind, source in ((PLACES, AREA), (TOPICS, REGIMES), (LIFECYCLE, STAGES)):
            await documents.put(kind, source, f"{kind.name}.yaml", by=SOJOURN)

    async def preview(self, where: str, sample: int = 20_000) -> tuple[int, int, list[str]]:
        """How many match, of how many looked at, and the warnings."""
        found = await self.previews.preview(where, sample, by=SOJOURN)
        return found.estimate.matches, found.estimate.sampled, list(found.warnings)

    async def count(self, where: str) -> Operation:
        """Count everyone."""
        requested = await self.previews.count(where, by=SOJOURN)
        handlers = {"count": CountHandler(self.segments.catalogue)}
        await OperationRunner(self.segments.database, handlers).work_on_deployment()  # type: ignore[arg-type]
        return await OperationService(self.segments.database).get(requested.id)


@asynccontextmanager
async def preview_harness(url: str) -> AsyncIterator[PreviewHarness]:
    async with segment_harness(url) as harness:
        yield PreviewHarness(harness)


async def test_a_sample_estimates_the_number(database_url: str) -> None:
    async with preview_harness(database_url) as harness:
        await harness.gather(3_000)
        found = await harness.previews.preview("profile.traits.number <= 600", 1_000, by=SOJOURN)
        assert (found.estimate.of, found.estimate.sampled, found.not_evaluated) == (3_000, 1_000, 0)
        # Seven deviations from the truth.
        assert 600 - 215 < found.estimate.estimate < 600 + 215
        assert len(found.examples) == 10
        assert all(int(str(person.user_id)[1:]) <= 600 for person in found.examples)
        assert found.warnings == []
        rare = await harness.previews.preview("profile.traits.number == 7", 1_000, by=SOJOURN)
        assert rare.estimate.summary.startswith("fewer than ")
        assert rare.warnings == ["too few people match for an estimate: request a full count"]


async def test_a_sample_is_drawn_evenly_and_from_anywhere(database_url: str) -> None:
    seed = randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    draw = Random(seed)
    async with preview_harness(database_url) as harness:
        await harness.gather(500)
        drawn: Counter[object] = Counter()
        async with harness.segments.database.transaction() as connection:
            tried = rounds(400, 4_000)
            for _ in range(tried):
                people = await people_sample.draw(connection, draw.randrange(-(2**31), 2**31), 50)
                assert len(set(people)) == 50
                drawn.update(people)
            everyone = await people_sample.draw(connection, 2**31 - 1, 1_000)
        assert len(set(everyone)) == len(everyone) == 500
        # The order of arrival tells nothing: both halves are drawn as often.
        first = sum(number for person, number in drawn.items() if person in sorted(everyone, key=str)[:250])
        assert 0.4 < first / drawn.total() < 0.6


async def test_people_without_the_data_are_not_in_it_and_told(database_url: str) -> None:
    async with preview_harness(database_url) as harness:
        await harness.gather(120)
        matches, sampled, warnings = await harness.preview('profile.traits.plan == "pro"')
        assert (matches, sampled) == (0, 120)
        said = "it cannot be evaluated for 120 of 120 people: there is no profile.traits.plan (120)"
        assert warnings == [said]
        _, _, [warning] = await harness.preview("profile.stage >= 'a'")
        said = "it cannot be evaluated for 120 of 120 people: `>=` cannot take null and a text (120)"
        assert warning.startswith(said)


@pytest.mark.parametrize(
    ("where", "message", "suggestion"),
    [
        ("profile.computed.order > 1", "order", "Did you mean `orders`?"),
        ('"vips" in profile.segments', "there is no segment `vips`", "Did you mean `vip`?"),
        ("profile.trait.plan == 1", "profile", "traits"),
        ("event.name == 'x'", "`event` is not known here", "Known here: profile, account"),
        ("1 +", "", ""),
    ],
)
async def test_a_condition_that_names_what_there_is_not(
    database_url: str, where: str, message: str, suggestion: str
) -> None:
    async with preview_harness(database_url) as harness:
        await harness.segments.apply("computed:\n  orders: {count: Order Completed}\n")
        await harness.segments.put(vip="profile.user_id != null")
        for ask in (harness.preview, harness.count):
            with pytest.raises(InvalidDocumentError) as refused:
                await ask(where)
            [problem] = refused.value.problems
            assert (problem.file, problem.path) == ("condition", "where")
            assert message in problem.message
            assert suggestion in problem.suggestion


async def test_it_warns_of_what_is_incomplete_or_often_meant_otherwise(database_url: str) -> None:
    async with preview_harness(database_url) as harness:
        await harness.segments.ingest(event("Order Completed"))
        await harness.segments.apply(
            "computed:\n  orders: {count: Order Completed}\n  active: {any: '*', within: 1d}\n"
        )
        await harness.segments.put(known="profile.user_id != null")
        _, _, warnings = await harness.preview('!profile.computed.active || "known" in profile.segments')
        negated, building, incomplete, *_ = warnings
        assert negated.startswith("people who have just come are in it as well")
        assert building == "`profile.computed.active` has no value yet: its earlier events are being counted"
        assert incomplete == "segment `known` is incomplete: its definition has not been judged over everyone"
        await harness.segments.operate()
        assert await harness.preview("profile.computed.orders == 1 || 'known' in profile.segments") == (1, 1, [])


async def test_a_costly_condition_ends_with_the_time(database_url: str) -> None:
    async with preview_harness(database_url) as harness:
        async with harness.segments.database.transaction() as connection:
            await connection.execute(
                "INSERT INTO profiles (id, traits) "
                "SELECT uuidv7(), jsonb_build_object('list', (SELECT jsonb_agg(x) FROM generate_series(1, 80) AS x)) "
                "FROM generate_series(1, 20000)"
            )
        costly = "profile.traits.list.all(x, profile.traits.list.exists(y, x == y && y > 0))"
        await harness.preview("true")
        began = perf_counter()
        matches, sampled, warnings = await harness.preview(costly)
        taken = perf_counter() - began
        assert matches == sampled < 20_000
        assert f"{sampled:,} of 20,000 people could be looked at within 1.5 s" in warnings
        # The check of the condition, and the last evaluation, come in addition.
        assert taken < 3 * MAX_SECONDS


async def test_a_preview_a_count_and_the_members_are_one_number(database_url: str) -> None:
    seed = randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    draw = Random(seed)
    more = (
        "profile.consent.email == true",
        'in_area(profile, "north")',
        'profile.stage == "customer"',
        "profile.sessions >= 1 && profile.last_seen > profile.created_at",
        'account.id == "acme" || account.traits.size > 3',
        'profile.devices.exists(one, one.platform == "ios")',
        'profile.timezone == "Europe/Vienna" && !known_for("1h")',
        "profile.stage != null || profile.user_id == null",
    )
    async with preview_harness(database_url) as harness:
        await harness.segments.apply(TRAITS)
        await harness.put_documents()
        await harness.segments.put(s0="profile.computed.orders >= 2")
        now = datetime.now(UTC)
        for user in range(60):
            name = draw.choice(("Order Completed", "Article Read"))
            await harness.segments.ingest(
                *(event(name, f"u{user}", value=draw.randrange(200), at=now) for _ in range(draw.randrange(1, 4))),
                event(
                    None,
                    f"u{user}",
                    type="identify",
                    plan=draw.choice(("pro", "free")),
                    timezone="Europe/Vienna",
                    country=draw.choice(("US", "AT")),
                    latitude=draw.choice((50, 60)),
                    longitude=10,
                ),
            )
        await harness.segments.operate()
        for where in (*more, *(generate_one(draw, 1).cel for _ in range(rounds(6, 60)))):
            matches, sampled, _ = await harness.preview(where)
            counted = await harness.count(where)
            await harness.segments.put(tried=where)
            await harness.segments.operate()
            members = len((await harness.segments.members()).get("tried", []))
            assert (matches, sampled, counted.counts["members"], counted.done) == (members, 60, members, 60), where


async def test_a_count_goes_page_by_page_and_can_be_cancelled(database_url: str) -> None:
    async with preview_harness(database_url) as harness:
        await harness.gather(450)
        counted = await harness.count("profile.traits.number > 400")
        assert (counted.state, counted.total, counted.done) == ("done", 450, 450)
        assert counted.counts == {"members": 50, "not_evaluated": 0}
        requested = await harness.previews.count("true", by=SOJOURN)
        operations = OperationService(harness.segments.database)
        assert (await operations.cancel(requested.id, by=SOJOURN)).state == "cancelled"
        with pytest.raises(ConflictError):
            await operations.cancel(requested.id, by=SOJOURN)
