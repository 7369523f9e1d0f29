"""People in memory, by the rules of the engine: each kind of step, and what moves journeys from outside."""

import pytest

from domain.rehearsal.omissions import list_omissions, list_segment_omissions
from tests.domain.rehearsal.story import START, Story, campaign, compiled

NOTE = "  - {id: note, send: {channel: email, template: hello}}\n"


def test_a_message_goes_after_its_delay() -> None:
    story = Story(campaign("  - {id: rest, delay: 90m}\n" + NOTE))
    story.knows("ada")
    story.does("ada", "Begun")
    story.waits(days=1)
    assert story.told() == ["0 entered", "1.5 note granted", "1.5 note sent by email", "1.5 completed: completed"]


def test_at_night_a_message_waits_for_the_window_of_its_person() -> None:
    story = Story(campaign(NOTE, head='entry: {event: Begun}\nsend_window: {from: "09:00", to: "20:00"}'))
    story.knows("ada", timezone="Asia/Tokyo")  # where it is midnight
    story.does("ada", "Begun")
    story.waits(days=1)
    assert story.told() == [
        "0 entered",
        "0 note deferred send_window",
        "9 note granted",
        "9 note sent by email",
        "9 completed: completed",
    ]


def test_a_time_zone_is_learned_from_a_call_that_no_rule_hears() -> None:
    head = 'entry: {event: Begun}\nsend_window: {from: "09:00", to: "20:00"}'
    abroad = "key: abroad\nname: Abroad\nwhere: profile.timezone == 'Asia/Tokyo'\n"
    begins = campaign("  - {id: rest, delay: 1h}\n", "watching", head="entry: {joins: abroad}")
    story = Story(campaign(NOTE, head=head), begins, segments=[abroad])
    story.knows("ada")
    story.call("page", "ada", "Home", context={"timezone": "Asia/Tokyo"})
    story.does("ada", "Begun")
    assert story.told() == ["0 entered", "0 entered", "0 note deferred send_window"]


def test_caps_count_the_messages_of_all_campaigns() -> None:
    waiting = campaign(
        "  - {id: later, delay: 1h}\n  - {id: second, send: {channel: email, template: hello, on_capped: wait}}\n",
        "second",
    )
    story = Story(campaign(NOTE), waiting, frequency_caps="rules:\n  - {name: daily, limit: 1, per: 1d}\n")
    story.knows("ada")
    story.does("ada", "Begun")
    story.waits(days=2)
    assert [one for one in story.told() if "second" in one] == [
        "1 second deferred capped",
        "24 second granted",
        "24 second sent by email",
    ]


def test_an_event_ends_a_journey_at_once() -> None:
    head = "entry: {event: Begun}\nexit: [{event: Done}]\ngoal: {event: Done, within: 7d}"
    story = Story(campaign("  - {id: rest, delay: 1d}\n" + NOTE, head=head))
    story.knows("ada")
    story.does("ada", "Begun")
    story.waits(hours=2)
    story.does("ada", "Done")
    story.waits(days=2)
    assert story.told() == ["0 entered", "2 exited exit_event", "2 exited: exited", "2 goal"]


def test_a_goal_counts_after_the_end() -> None:
    story = Story(campaign(NOTE, head="entry: {event: Begun}\ngoal: {event: Done, within: 1d}"))
    story.knows("ada")
    story.does("ada", "Begun")
    story.waits(hours=23)
    story.does("ada", "Done")
    story.does("ada", "Done")
    assert story.told()[-1] == "23 goal"
    assert story.told().count("23 goal") == 1


@pytest.mark.parametrize(("hours", "outcome"), [(3, "engaged"), (30, "ignored")])
def test_a_wait_ends_by_its_event_or_in_time(hours: float, outcome: str) -> None:
    story = Story(
        campaign(
            "  - id: reacted\n    wait_for: {event: Clicked, timeout: 1d}\n"
            "    on_event: [{id: yes, exit: engaged}]\n    on_timeout: [{id: no, exit: ignored}]\n"
        )
    )
    story.does("ada", "Begun")
    story.waits(hours=hours)
    story.does("ada", "Clicked")
    story.waits(days=2)
    assert story.told() == ["0 entered", f"{min(hours, 24):g} completed: {outcome}"]


def test_a_repetition_goes_on_until_its_event() -> None:
    story = Story(
        campaign("  - id: thrice\n    repeat: {every: 1h, times: 3, until: {event: Enough}}\n    do:\n    " + NOTE)
    )
    story.knows("ada")
    story.does("ada", "Begun")
    story.waits(hours=1.5)
    story.does("ada", "Enough")
    story.waits(days=1)
    sent = [one for one in story.told() if "sent" in one]
    assert sent == ["0 note sent by email", "1 note sent by email"]
    assert story.told()[-1] == "1.5 completed: completed"


def test_an_action_changes_the_person_and_begins_another_journey() -> None:
    first = campaign("  - {id: mark, update_profile: {vip: true}}\n  - {id: last, exit: marked}\n")
    second = campaign(NOTE, "second", "entry: {changed: profile.traits.vip, where: event.properties.after == true}")
    story = Story(first, second)
    story.knows("ada")
    story.does("ada", "Begun")
    assert story.told() == [
        "0 entered",
        "0 mark done",
        "0 entered",
        "0 note granted",
        "0 note sent by email",
        "0 completed: marked",
        "0 completed: completed",
    ]


def test_an_emitted_event_may_end_its_own_journey() -> None:
    head = "entry: {event: Begun}\nexit: [{event: Told}]"
    story = Story(campaign("  - {id: tell, emit_event: {event: Told}}\n" + NOTE, head=head))
    story.knows("ada")
    story.does("ada", "Begun")
    assert story.told() == ["0 entered", "0 tell done", "0 exited exit_event", "0 exited: exited"]


def test_time_alone_moves_people_between_segments() -> None:
    lapsing = "key: lapsing\nname: L\nwhere: profile.computed.recent == 0 && profile.computed.orders >= 1\n"
    story = Story(
        campaign(NOTE, head="entry: {joins: lapsing}"),
        segments=[lapsing],
        computed="computed:\n  orders: {count: Order Completed}\n  recent: {count: Order Completed, within: 30d}\n",
    )
    story.knows("ada")
    story.does("ada", "Order Completed")
    story.waits(days=29)
    assert story.told() == []
    story.waits(days=2)
    entered, *_ = story.told()
    assert entered == "720 entered"


def test_conditions_see_computed_traits_with_the_event_counted() -> None:
    story = Story(
        campaign(NOTE, head="entry: {event: Order Completed, where: profile.computed.orders == 2}"),
        computed="computed:\n  orders: {count: Order Completed}\n",
    )
    story.knows("ada")
    for _ in range(3):
        story.does("ada", "Order Completed")
        story.waits(hours=1)
    assert [one for one in story.told() if "entered" in one] == ["1 entered"]


def test_a_visitor_who_logs_in_is_one_person() -> None:
    story = Story(campaign("  - {id: rest, delay: 1d}\n" + NOTE))
    story.knows("ada")
    story.call("track", None, "Begun", anonymous="a1")
    story.waits(hours=1)
    story.call("track", None, "Begun", anonymous="a2")
    story.call("identify", "ada", anonymous="a1")
    story.waits(hours=1)
    story.call("identify", "ada", anonymous="a2")
    story.waits(days=2)
    assert story.told() == [
        "0 entered",
        "1 entered",
        "2 exited: merged",
        "24 note granted",
        "24 note sent by email",
        "24 completed: completed",
    ]
    assert len(list(story.simulator.people)) == 1


def test_a_refused_message_goes_by_the_next_channel() -> None:
    choice = "  - {id: note, send: {channel: [email, sms], template: both}}\n"
    story = Story(campaign(choice), outcomes={"email": "failed"})
    story.knows("ada", consent={"sms": True})
    story.does("ada", "Begun")
    assert story.told() == [
        "0 entered",
        "0 note granted",
        "0 note granted",
        "0 note sent by sms",
        "0 completed: completed",
    ]


def test_a_fallback_follows_a_message_that_nobody_opened() -> None:
    fallback = "  - {id: note, send: {channel: [email, sms], template: both, fallback: {after: 2h, unless: opened}}}\n"
    story = Story(campaign(fallback))
    for user in ("ada", "bob"):
        story.knows(user, consent={"sms": True})
        story.does(user, "Begun")
    [first, *_] = story.results.messages
    story.waits(hours=1)
    story.does("ada", "Email Opened", message_id=str(first.message.id))
    story.waits(days=1)
    assert [one for one in story.told() if "by sms" in one or "not_needed" in one] == [
        "1 note.fallback refused not_needed",
        "2 note.fallback sent by sms",
    ]


def test_a_budget_has_room_for_so_many_messages() -> None:
    providers = "providers:\n  mails: {kind: console, channel: email, cost: {amount: 0.5, currency: EUR}}\n"
    caps = "rules: []\nbudgets: [{name: month, scope: month, amount: 1, currency: EUR}]\n"
    story = Story(campaign(NOTE), frequency_caps=caps, providers=providers)
    for user in ("ada", "bob", "eve"):
        story.knows(user)
        story.does(user, "Begun")
    assert [one for one in story.told() if "note sent" in one] == ["0 note sent by email", "0 note sent by email"]
    assert "0 note refused over_budget" in story.told()


def test_an_audience_enters_each_week_by_the_clocks_of_its_campaign() -> None:
    audience = 'audience: {where: profile.traits.plan == "trial", again: {every: week, days: [wed], at: "09:00"}}'
    story = Story(campaign(NOTE, head=f"timezone: Europe/Berlin\nentry: {{{audience}, reentry: always}}"))
    story.simulator.start(story.at)
    story.knows("ada", plan="trial")
    story.knows("bob", plan="free")
    story.waits(days=5)
    story.knows("bob", plan="trial")
    story.waits(days=5)
    assert [one for one in story.told() if "entered" in one] == ["41 entered", "209 entered", "209 entered"]


def test_an_audience_enters_once_at_its_rate() -> None:
    story = Story(campaign(NOTE, head='entry: {audience: {where: "true", rate: 1}}'))
    for user in ("ada", "bob", "eve"):
        story.knows(user)
    story.simulator.start(story.at)
    story.waits(days=1)
    entered = [one.at for one in story.results.decisions if one.kind == "entry"]
    assert [(at - START).total_seconds() for at in entered] == [0, 1, 2]


def test_the_same_story_has_the_same_ids() -> None:
    def told() -> list[str]:
        story = Story(campaign(NOTE))
        story.knows("ada")
        story.does("ada", "Begun")
        return [str(one.id) for one in story.results.decisions]

    assert told() == told()


def test_what_is_not_simulated_is_said() -> None:
    account = campaign(NOTE, head="entry: {event: Begun, account: true}")
    assert [str(one) for one in list_omissions(compiled(account))] == [
        "tested: the campaign is left out: its journeys are of accounts"
    ]
    segment = "key: app\nname: App\nwhere: profile.devices.exists(one, one.app == 'shop')\n"
    story = Story(campaign(NOTE), segments=[segment])
    assert [str(one) for one in list_segment_omissions(story.rulebook.segments)] == [
        "segments: not simulated: conditions on devices: people have none"
    ]


def test_a_session_ends_after_half_an_hour_of_silence() -> None:
    head = 'entry: {event: Session Ended, where: "event.properties.event_count >= 2 && profile.sessions == 2"}'
    story = Story(campaign(NOTE, head=head))
    story.knows("ada")
    story.does("ada", "Product Viewed")
    story.waits(hours=5)
    story.does("ada", "Product Viewed")
    story.waits(minutes=29)
    story.does("ada", "Product Viewed")
    story.waits(days=1)
    assert story.told()[0] == f"{5 + 59 / 60:g} entered"
