"""What changes of a person, a campaign or the caps is a dated row with what changed it."""

from datetime import timedelta
from typing import Any

from application.ingest import Ingest
from tests.engine.ingesting import AT, Query, event
from tests.harness import Harness

HISTORY = """
SELECT part, source, source_id, changes, at FROM profile_changes
JOIN profiles ON profiles.id = profile_id ORDER BY profile_changes.id
"""


def values(**changes: tuple[Any, Any]) -> dict[str, Any]:
    return {name: {"before": before, "after": after} for name, (before, after) in changes.items()}


async def test_each_change_is_a_dated_row_with_its_source(query: Query, ingest: Ingest) -> None:
    first = event("identify", "u1", plan="free", city="Bonn", consent={"email": True})
    later = AT + timedelta(hours=1)
    second = event("identify", "u1", at=later, plan="pro", city="Bonn", consent={"email": False})
    third = event("identify", "u1", at=later + timedelta(hours=1), plan=None)
    await ingest([first], received_at=later)
    await ingest([second, third], received_at=later + timedelta(days=1))
    rows = [(row["part"], row["source_id"], row["changes"], row["at"]) for row in await query(HISTORY)]
    assert rows == [
        ("identity", str(first.id), {"linked": [{"kind": "user", "value": "u1"}]}, AT),
        ("traits", str(first.id), values(plan=(None, "free"), city=(None, "Bonn")), AT),
        ("consent", str(first.id), values(email=(None, True)), AT),
        ("traits", str(second.id), values(plan=("free", "pro")), later),
        ("consent", str(second.id), values(email=(True, False)), later),
        ("traits", str(third.id), values(plan=("pro", None)), third.timestamp),
    ]
    assert {row["source"] for row in await query(HISTORY)} == {"event"}


async def test_what_changes_no_value_writes_no_row(query: Query, ingest: Ingest) -> None:
    traits: dict[str, Any] = {"plan": "pro", "tags": ["a"], "consent": {"email": True}}
    await ingest([event("identify", "u1", **traits)], received_at=AT)
    before = await query("SELECT count(*) FROM profile_changes")
    again = AT + timedelta(hours=1)
    late = AT - timedelta(hours=1)
    await ingest([event("identify", "u1", at=again, **traits)], received_at=again)
    await ingest([event("identify", "u1", at=late, plan="free"), event("track", "u1", name="Seen")], received_at=again)
    assert await query("SELECT count(*) FROM profile_changes") == before


async def test_a_merge_takes_the_history_along_and_is_a_part_of_it(query: Query, ingest: Ingest) -> None:
    await ingest([event("identify", None, anonymous="a1", plan="free", city="Bonn")], received_at=AT)
    [anonymous] = await query("SELECT id FROM profiles")
    later = AT + timedelta(hours=1)
    await ingest([event("identify", "u1", at=later, plan="pro")], received_at=later)
    link = event("identify", "u1", anonymous="a1", at=later)
    await ingest([link], received_at=later)
    rows = [(row["part"], row["source"], row["changes"]) for row in await query(HISTORY)]
    assert rows == [
        ("identity", "event", {"linked": [{"kind": "anonymous", "value": "a1"}]}),
        ("traits", "event", values(plan=(None, "free"), city=(None, "Bonn"))),
        ("identity", "event", {"linked": [{"kind": "user", "value": "u1"}]}),
        ("traits", "event", values(plan=(None, "pro"))),
        ("identity", "merge", {"merged": [str(anonymous["id"])]}),
        ("traits", "merge", values(city=(None, "Bonn"))),
    ]
    assert {row["source_id"] for row in await query(HISTORY) if row["source"] == "merge"} == {str(link.id)}


async def test_the_timeline_shows_what_each_event_step_and_operator_has_changed(harness: Harness) -> None:
    await harness.run_campaign(
        """
        {key: pro, name: Pro, entry: {event: Upgraded}, steps: [
          {id: remember, update_profile: {plan: pro}}, {id: now, set_stage: loyal}]}
        """,
        {},
    )
    await harness.identify("u1", plan="free", consent={"email": True})
    await harness.track("u1", "Upgraded")
    await harness.ended("u1")
    await harness.admin("PUT", "/v1/users/u1/suppressions/webhook", {"reason": "asked us"})
    told = [
        (item["kind"], item["summary"], [(change["source"], change["summary"]) for change in item["changes"]])
        for item in await harness.timeline("u1")
        if item["changes"]
    ]
    assert told == [
        (
            "event",
            "identify",
            [("event", "identity: user id u1"), ("event", "traits: plan free"), ("event", "consent: email yes")],
        ),
        ("update_profile", "remember: set plan", [("step", "traits: plan free → pro")]),
        ("set_stage", "now: stage loyal", [("step", "stage: loyal")]),
        ("change", "by SOJOURN_ADMIN_KEY", [("operator", "suppression: webhook (asked us)")]),
    ]
    [changed] = [
        item["changes"][0]["changes"] for item in await harness.timeline("u1") if item["kind"] == "update_profile"
    ]
    assert changed == values(plan=("free", "pro"))


async def test_the_states_of_a_campaign_and_the_caps_say_who_changed_them(harness: Harness) -> None:
    key = await harness.run_campaign("{key: c, name: C, entry: {event: Seen}, steps: [{id: rest, delay: 1d}]}", {})
    for move in ("pause", "resume", "stop"):
        await harness.admin("POST", f"/v1/campaigns/{key}/{move}", {"mode": "exit"} if move == "stop" else None)
    await harness.until("SELECT 1 FROM campaign_changes WHERE state = 'ended'")
    rows = await harness.query(
        "SELECT state_before, state, running_version, changed_by FROM campaign_changes ORDER BY id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("draft", "running", 1, "SOJOURN_ADMIN_KEY"),
        ("running", "paused", 1, "SOJOURN_ADMIN_KEY"),
        ("paused", "running", 1, "SOJOURN_ADMIN_KEY"),
        ("running", "stopping", 1, "SOJOURN_ADMIN_KEY"),
        ("stopping", "ended", 1, "Sojourn"),
    ]
    await harness.put_caps("rules: [{name: weekly, limit: 3, per: 7d}]")
    assert await harness.query("SELECT version, created_by FROM documents") == [
        {"version": 1, "created_by": "SOJOURN_ADMIN_KEY"}
    ]


async def test_a_merge_keeps_the_stage_that_was_set_last_whatever_its_name(query: Query, ingest: Ingest) -> None:
    for number, (mine, theirs, expected) in enumerate(
        [(("b", 1), ("a", 2), "a"), (("a", 2), ("b", 1), "a"), (None, ("a", 1), "a"), (("a", 1), None, "a")]
    ):
        user, device = f"u{number}", f"a{number}"
        await ingest([event("page", user), event("page", None, anonymous=device)], received_at=AT)
        for kind, value, stage in (("user", user, mine), ("anonymous", device, theirs)):
            if stage is not None:
                await query(
                    """
                    UPDATE profiles SET stage = %s, said = jsonb_build_object('stage', jsonb_build_array(
                      jsonb_build_array(%s::int, 'd1', 'stage')))
                    WHERE id = (SELECT profile_id FROM identities WHERE kind = %s AND value = %s)
                    """,
                    stage[0],
                    stage[1],
                    kind,
                    value,
                )
        await ingest([event("identify", user, anonymous=device)], received_at=AT)
        assert await query("SELECT stage FROM profiles WHERE user_id = %s", user) == [{"stage": expected}]
