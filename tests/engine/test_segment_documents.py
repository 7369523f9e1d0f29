"""Documents of segments are planned, applied and deleted, and keep what they read and what reads them."""

import asyncio

import pytest

from application.campaigns import Campaigns
from application.segment_documents import AppliedSegments, SegmentDocuments
from domain.access import SOJOURN
from domain.deployment_documents import RuleReader
from domain.errors import ConflictError, InvalidDocumentError, NotFoundError, PlanOutdatedError, PreconditionFailedError
from domain.people.segment_document import SegmentSource
from domain.revisions import UNCONDITIONAL, Precondition
from store import audit
from tests.engine.computed_harness import CHECKS, event
from tests.engine.segment_harness import SegmentHarness, segment_harness
from tests.races import race_at_registry

TRAITS = "computed:\n  orders: {count: Order Completed}\n  active: {any: '*', within: 14d}\n"
BUYERS = "profile.computed.orders >= 1"


def source(key: str, where: str, more: str = "") -> SegmentSource:
    return SegmentSource(f"key: {key}\nname: {key.title()}\nwhere: >-\n  {where}\n{more}", f"{key}.yaml")


def documents(harness: SegmentHarness) -> SegmentDocuments:
    return SegmentDocuments(harness.database, CHECKS, "UTC")


async def apply(harness: SegmentHarness, *sources: SegmentSource) -> AppliedSegments:
    return await documents(harness).apply(sources, by=SOJOURN)


async def test_documents_are_applied_together_in_the_order_of_their_references(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.ingest(event("Order Completed"), event("Viewed", "u2"))
        await harness.operate()
        loyal, buyers = source("a-loyal", "'buyers' in profile.segments"), source("buyers", BUYERS)
        with pytest.raises(InvalidDocumentError) as caught:
            await apply(harness, loyal)
        assert [problem.message for problem in caught.value.problems] == ["there is no segment `buyers`"]
        applied = await apply(harness, loyal, buyers)
        assert [(one.key, one.version, one.state) for one in applied.segments] == [
            ("buyers", 1, "building"),
            ("a-loyal", 1, "building"),
        ]
        [first, _] = applied.segments
        assert first.progress is not None
        assert (first.progress.done, first.progress.total) == (0, None)
        await harness.operate()
        shown = await documents(harness).list_all()
        assert [(one.key, one.state, one.progress, one.members) for one in shown] == [
            ("a-loyal", "ready", None, 1),
            ("buyers", "ready", None, 1),
        ]
        assert await harness.members() == {"a-loyal": ["u1"], "buyers": ["u1"]}


async def test_the_same_document_is_no_new_version_and_another_name_judges_nobody(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.ingest(event("Viewed"))
        await apply(harness, source("known", "profile.user_id != null"))
        await harness.operate()
        [same] = (await apply(harness, source("known", "profile.user_id != null"))).segments
        assert (same.version, same.state) == (1, "ready")
        applied = await apply(harness, source("known", "profile.user_id != null", "on_change: silent\n"))
        [renamed] = applied.segments
        assert (renamed.version, renamed.state) == (2, "ready")
        assert [one.people for one in applied.plan.segments] == [None]
        async with harness.database.transaction() as connection:
            entries = await audit.page(connection, limit=9, after=None, target="known", actor=None)
        assert [(one.action, one.data) for one in entries] == [
            ("segment.apply", {"version": 2}),
            ("segment.apply", {"version": 1}),
        ]


async def test_a_plan_says_what_changes_who_reads_it_and_who_moves(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        for number in range(4):
            await harness.ingest(
                event("Viewed", f"u{number}"), *[event("Order Completed", f"u{number}")] * (number > 1)
            )
        await harness.operate()
        await apply(harness, source("buyers", BUYERS), source("old", "'buyers' in profile.segments"))
        await harness.operate()
        await harness.run_campaign("key: hi\nname: Hi\nentry: {joins: buyers}\nsteps: [{id: a, delay: 1d}]\n")
        given = [
            source("buyers", "profile.computed.orders == 0"),
            source("new", "'buyers' in profile.segments || profile.user_id == 'u3'"),
        ]
        plan = await documents(harness).plan(given, ["old"])
        [buyers, new, old] = plan.segments
        assert (buyers.kind, buyers.version, buyers.next_version) == ("changed", 1, 2)
        assert (buyers.before or {})["where"] == BUYERS
        assert list(buyers.read_by) == [RuleReader("campaign", "hi", 1), RuleReader("segment", "old", 1)]
        assert buyers.people is not None
        assert (buyers.people.members.of, buyers.people.members.estimate) == (4, 2)
        assert (buyers.people.joins.estimate, buyers.people.leaves.estimate) == (2, 2)
        assert (new.kind, new.version, new.next_version, list(new.read_by)) == ("added", None, 1, [])
        assert new.people is not None
        assert (new.people.members.matches, new.people.joins.matches, new.people.leaves.matches) == (3, 3, 0)
        assert (old.kind, old.after, old.people) == ("removed", None, None)
        [warning] = plan.warnings
        assert (warning.file, warning.path) == ("buyers.yaml", "where")
        # It has changed nothing.
        assert await harness.members() == {"buyers": ["u2", "u3"], "old": ["u2", "u3"]}
        with pytest.raises(NotFoundError, match="there is no segment none"):
            await documents(harness).plan([], ["none"])


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("profile.traits.plan == 'none'", "of the 2 people looked at, none is in it"),
        ('known_for("14d")', "of the 2 people looked at, none is in it"),
        ("has(profile.traits.plan)", "of the 2 people looked at, each is in it"),
        ("profile.traits.plan == 'pro'", None),
    ],
)
async def test_a_segment_with_nobody_or_everybody_is_warned_of(database_url: str, where: str, said: str | None) -> None:
    async with segment_harness(database_url) as harness:
        calls = [event(None, user, type="identify", plan=plan) for user, plan in (("u1", "pro"), ("u2", "free"))]
        await harness.ingest(*calls)
        warnings = (await apply(harness, source("a", where))).plan.warnings
        assert [warning.message for warning in warnings] == ([] if said is None else [said])
        assert all(("history was imported" in one.suggestion) == ("known_for" in where) for one in warnings)


async def test_a_segment_waits_for_the_history_of_its_traits(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.ingest(event("Order Completed"))
        await harness.apply(TRAITS)
        applied = await apply(harness, source("buyers", BUYERS))
        assert [(one.state, one.progress) for one in applied.segments] == [("waiting", None)]
        assert [one.people for one in applied.plan.segments] == [None]
        await harness.operate()
        [shown] = await documents(harness).list_all()
        assert (shown.state, shown.members) == ("ready", 1)


async def test_what_is_read_is_not_deleted(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.ingest(event("Viewed"))
        known = "profile.user_id != null"
        await apply(harness, *(source(key, known) for key in ("joined", "left", "asked", "nested", "free")))
        await apply(harness, source("outer", "!('nested' in profile.segments)"))
        await harness.operate()
        await harness.run_campaign(
            "key: hi\nname: Hi\nentry: {joins: joined}\nexit: [{leaves: left}]\nsteps:\n"
            "  - id: b\n    branch:\n      - when: |\n          'asked'\n            in profile.segments\n"
            "        do: [{id: a, delay: 1d}]\n"
        )
        for key, reader in (
            ("joined", "campaign hi"),
            ("left", "campaign hi"),
            ("asked", "campaign hi"),
            ("nested", "segment outer"),
        ):
            with pytest.raises(ConflictError, match=rf"`{key}` is read by {reader} \(version 1\): first") as caught:
                await documents(harness).delete(key, by=SOJOURN)
            assert [f"{one['kind']} {one['key']}" for one in caught.value.data["read_by"]] == [reader]
        await documents(harness).delete("free", by=SOJOURN)
        assert "free" not in await harness.members()
        with pytest.raises(NotFoundError):
            await documents(harness).delete("free", by=SOJOURN)
        async with harness.database.transaction() as connection:
            await connection.execute("UPDATE campaigns SET state = 'ended'")
        await documents(harness).delete("joined", by=SOJOURN)
        with pytest.raises(ConflictError, match=r"reads segments that are no longer there: joined\. Apply them first"):
            await Campaigns(harness.database, CHECKS).start("hi", by=SOJOURN)


async def test_a_trait_that_a_segment_reads_is_neither_removed_nor_of_another_type(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await apply(harness, source("buyers", BUYERS))
        for broken in ("computed: {}\n", TRAITS.replace("count", "any")):
            with pytest.raises(ConflictError, match=r"`orders` is read by segment buyers \(version 1\): keep it"):
                await harness.apply(broken)
            [orders] = [one for one in (await harness.plan(broken)).changes if one.name == "orders"]
            assert list(orders.read_by) == [RuleReader("segment", "buyers", 1)]
        await documents(harness).delete("buyers", by=SOJOURN)
        await harness.apply("computed: {}\n")


async def test_a_campaign_of_a_segment_that_is_not_applied_is_refused(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        campaign = "key: hi\nname: Hi\nentry: {joins: buyers}\nsteps: [{id: a, delay: 1d}]\n"
        with pytest.raises(InvalidDocumentError) as caught:
            await harness.run_campaign(campaign)
        assert [problem.path for problem in caught.value.problems] == ["entry.joins"]
        await apply(harness, source("buyers", "true"))
        await harness.run_campaign(campaign)


async def test_a_version_is_changed_as_it_was_seen(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        put = documents(harness).put
        first, second = source("a", "true"), source("a", "false")
        with pytest.raises(PreconditionFailedError):
            await put("a", first, if_match=Precondition(), by=SOJOURN)
        await put("a", first, if_match=UNCONDITIONAL, by=SOJOURN)
        with pytest.raises(PreconditionFailedError):
            await put("a", second, if_match=Precondition(frozenset({2})), by=SOJOURN)
        await put("a", second, if_match=Precondition(frozenset({1})), by=SOJOURN)
        with pytest.raises(PreconditionFailedError):
            await documents(harness).delete("a", if_match=Precondition(frozenset({1})), by=SOJOURN)
        with pytest.raises(InvalidDocumentError) as caught:
            await put("b", first, if_match=UNCONDITIONAL, by=SOJOURN)
        assert [problem.suggestion for problem in caught.value.problems] == ["Write `key: b`, or ask of the other"]


async def test_of_two_that_would_make_a_circle_one_is_refused(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await apply(harness, source("a", "true"), source("b", "true"))
        done = await asyncio.gather(
            apply(harness, source("a", "'b' in profile.segments")),
            apply(harness, source("b", "'a' in profile.segments")),
            return_exceptions=True,
        )
        assert sorted(type(one).__name__ for one in done) in (
            ["AppliedSegments", "ConflictError"],
            ["AppliedSegments", "InvalidDocumentError"],
        )


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_of_two_planned_names_the_later_is_refused(database_url: str, is_reversed: bool) -> None:
    """A name is read by no rule, and neither overwrites that of the other unseen."""
    async with segment_harness(database_url) as harness:
        await apply(harness, source("a", "true"))
        one, other = (source("a", "true").source.replace("name: A", f"name: {name}") for name in ("One", "Other"))

        async def apply_planned(text: str) -> str:
            given = [SegmentSource(text, "a.yaml")]
            planned = (await documents(harness).plan(given)).hash
            try:
                [applied] = (await documents(harness).apply(given, planned=planned, by=SOJOURN)).segments
            except PlanOutdatedError:
                return "outdated"
            return applied.name

        racers = [apply_planned(text) for text in ((other, one) if is_reversed else (one, other))]
        first = "Other" if is_reversed else "One"
        assert await race_at_registry(database_url, *racers, is_in_order=True) == [first, "outdated"]
        assert [one.name for one in await documents(harness).list_all()] == [first]


async def test_a_segment_of_another_document_is_not_deleted(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(**{"stage.loyal": "true"})
        with pytest.raises(ConflictError, match=r"`stage\.loyal` belongs to another document"):
            await documents(harness).delete("stage.loyal", by=SOJOURN)


async def test_a_plan_of_many_people_looks_at_a_random_sample(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.segment_sample.SAMPLE", 40)
    async with segment_harness(database_url) as harness:
        plans = [("pro" if number >= 30 else "free") for number in range(60)]
        await harness.ingest(*(event(None, f"u{n}", type="identify", plan=plan) for n, plan in enumerate(plans)))
        plan = await documents(harness).plan([source("pros", "profile.traits.plan == 'pro'")])
        assert plan.segments[0].people is not None
        members = plan.segments[0].people.members
        # Among the first 40 of them are 10.
        assert members.matches > 10
        assert (members.sampled, members.of, plan.segments[0].people.joins) == (40, 60, members)
        assert members.low < members.estimate < members.high
        assert members.summary.startswith("about ")
