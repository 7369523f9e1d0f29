import pytest

from tests.domain.campaign.documents import HEAD, problem, problems, steps

ONE = "do: [{id: b, delay: 1h}]"
ARMS = "split: {arms: {discount: 1, holdout: 1}}"


@pytest.mark.parametrize(
    ("step", "where", "message", "suggestion"),
    [
        ("wait_for: {timeout: 1d}", "wait_for", "it waits for nothing", "Write `event: …`, `page: …`"),
        (
            "wait_for: {event: A, events: [{event: B}], where: 'true', timeout: 1d}",
            "wait_for.events",
            "beside `event`",
            "",
        ),
        (
            "wait_for: {event: A, events: [{event: B}], timeout: 1d}",
            *("wait_for.events", "`events` cannot stand beside `event`", "Write `event: …`, `page: …`"),
        ),
        (
            "wait_for: {events: [{event: B}], where: 'true', timeout: 1d}",
            *("wait_for.where", "`where` cannot stand beside `events`", "within the event that it belongs to"),
        ),
        (
            "wait_for: {events: [{event: B}], timeout: 1d}, on_event: []",
            *("on_event", "`on_event` cannot stand beside `events`", "Write `do: […]` within each"),
        ),
        ("split: {arms: {a: 0, b: 0}}, a: [], b: []", "split.arms", "no arm has a weight", "{a: 50, b: 50}"),
        ("split: {arms: {a: 0}}, a: []", "split.arms", "`arms` has only 1", "Write 2 or more"),
        (f"{ARMS}, discount: []", "split.arms.holdout", "the arm `holdout` has no steps", "`holdout: […]` beside"),
        (f"{ARMS}, discount: [], holdout: [], other: []", "other", "`other` is not an arm", "Arms: discount, holdout"),
        (f"{ARMS}, discount: [], holdout: [], seed: x", "seed", "`seed` is not an arm", "into `split: {seed: …}`"),
        (f"{ARMS}, discount: [], holdout: [], exit: a", "exit", "`exit` is not an arm", "make it two steps"),
        (
            "split: {arms: {a: 1, otherwise: 1}}, a: [], otherwise: []",
            *("split.arms.otherwise", "an arm cannot be called `otherwise`", "not a key of a step"),
        ),
        (f"repeat: {{every: 1m}}, {ONE}", "repeat.every", "every 1m without end is too often", "`every: 1h` or longer"),
        (
            f"repeat: {{every: 1d, times: 2, until: {{}}}}, {ONE}",
            *("repeat.until", "it needs an event or a condition, and only one", "Write `{event: …}`"),
        ),
        (
            f"repeat: {{every: 1d, until: {{event: A, when: 'true'}}}}, {ONE}",
            *("repeat.until", "it needs an event or a condition, and only one", "Write `{event: …}`"),
        ),
        (
            f"repeat: {{every: 1d, until: {{when: 'true', where: 'true'}}}}, {ONE}",
            *("repeat.until.where", "`where` belongs to an event", "into `when`"),
        ),
        (
            f"repeat: {{every: 1d, times: 40}}, do: [{{id: c, repeat: {{every: 1d, times: 30}}, {ONE}}}]",
            *("do[0].repeat.times", "with the repetitions around it, these are 1,200 rounds", "within 1,000"),
        ),
    ],
)
def test_keys_that_need_or_exclude_one_another(step: str, where: str, message: str, suggestion: str) -> None:
    found = problem(steps(f"  - {{id: a, {step}}}\n"))
    assert found.path == f"steps[0].{where}"
    assert message in found.message
    assert suggestion in found.suggestion


@pytest.mark.parametrize(
    "step",
    [
        f"repeat: {{every: 1m, times: 2}}, {ONE}",
        f"repeat: {{every: 1h}}, {ONE}",
        f"repeat: {{every: 1d, times: 40}}, do: [{{id: c, repeat: {{every: 1d, times: 25}}, {ONE}}}]",
        "split: {arms: {a: 0, b: 1}}, a: [], b: []",
    ],
)
def test_the_bounds_themselves_are_within(step: str) -> None:
    assert problems(steps(f"  - {{id: a, {step}}}\n")) == []


def test_a_misspelt_arm_is_said_on_both_sides() -> None:
    found = problems(steps(f"  - {{id: a, {ARMS}, discount: [], holdot: []}}\n"))
    assert [(one.path, one.message) for one in found] == [
        ("steps[0].holdot", "`holdot` is not an arm of this split"),
        ("steps[0].split.arms.holdout", "the arm `holdout` has no steps"),
    ]
    assert "Did you mean `holdout`?" in found[0].suggestion


@pytest.mark.parametrize(
    ("line", "where", "message", "suggestion"),
    [
        (
            "schedule: {starts_at: 2026-11-01T00:00:00Z, ends_at: 2026-11-01T01:00:00+01:00}",
            *("schedule.ends_at", "`ends_at` is not after `starts_at`", "Move one of them"),
        ),
        ("schedule: {at_end: exit}", "schedule.at_end", "`at_end: exit` without an end", "Add `ends_at: …`"),
        ("send_window: {from: 09:00, to: 09:00}", "send_window", "it opens and closes at 09:00", "the whole day"),
        ("send_window: {}", "send_window", "this window is always open", "Leave it out"),
        ("send_window: {from: 00:00, to: '24:00'}", "send_window", "this window is always open", "Leave it out"),
    ],
)
def test_values_that_make_sense_together(line: str, where: str, message: str, suggestion: str) -> None:
    found = problem(f"{HEAD}{line}\nsteps: [{{id: a, delay: 1h}}]\n")
    assert (found.line, found.path) == (4, where)
    assert message in found.message
    assert suggestion in found.suggestion


ACCOUNTS = "key: invite\nname: Invite\nentry: {event: Account Created, account: true}\n"


def members(to: str, *, head: str = ACCOUNTS) -> str:
    return f"{head}steps:\n  - {{id: tell, send: {{channel: email, template: hello, {to}}}}}\n"


def test_messages_to_members_are_those_of_an_accounts_journey() -> None:
    assert problems(members("to: {role: admin}")) == []
    found = problem(members("to: {role: admin}", head=HEAD))
    assert (found.line, found.path) == (5, "steps[0].send.to")
    assert "`account: true`" in found.suggestion


@pytest.mark.parametrize("choice", ["wait", "exit"])
def test_a_full_cap_skips_one_member_alone(choice: str) -> None:
    found = problem(members(f"to: {{role: admin}}, on_capped: {choice}"))
    assert (found.line, found.path) == (5, "steps[0].send.on_capped")
    assert problems(members("to: {role: admin}, on_capped: skip")) == []


@pytest.mark.parametrize(
    ("to", "where", "said"),
    [
        ("to: admin", "steps[0].send.to", "`admin` is not a valid `to`"),
        ("to: {role: ''}", "steps[0].send.to.role", "0 characters"),
        ("to: {role: '*'}", "steps[0].send.to.role", "no message goes to members of all roles"),
        ("to: everyone", "steps[0].send.to", "`everyone` is not a valid `to`"),
        ("to: {roles: admin}", "steps[0].send.to.roles", "the key `roles` is not known here"),
        ("to: {}", "steps[0].send.to.role", "is missing"),
    ],
)
def test_the_members_are_named_by_a_role(to: str, where: str, said: str) -> None:
    found = problem(members(to))
    assert found.path == where
    assert said in found.message


@pytest.mark.parametrize("window", ["{days: [mon]}", "{from: 09:00}", "{to: 21:00}", "{from: '21:00', to: 06:00}"])
def test_windows_that_close(window: str) -> None:
    assert problems(f"{HEAD}send_window: {window}\nsteps: [{{id: a, delay: 1h}}]\n") == []


def test_what_does_not_go_together_is_said_beside_what_is_wrong_by_itself() -> None:
    text = f"""\
{HEAD}schedule: {{starts_at: 2026-11-01T00:00:00Z, ends_at: 2026-10-01T00:00:00Z, at_end: stop}}
send_window: {{from: 09:00, to: 09:00, days: [today]}}
steps:
  - {{id: A, wait_for: {{event: E, events: [{{evnt: X}}], timeout: soon}}, on_event: []}}
  - {{id: B, repeat: {{every: 1x, times: 1, until: {{}}}}, do: []}}
  - {{id: C, split: {{arms: {{a: x, b: 1}}}}, a: {{}}, c: 3}}
"""
    assert [(one.line, one.path) for one in problems(text)] == [
        (4, "schedule.at_end"),
        (4, "schedule.ends_at"),
        (5, "send_window.days"),
        (5, "send_window"),
        (7, "steps[0].id"),
        (7, "steps[0].wait_for.events[0].evnt"),
        (7, "steps[0].wait_for.timeout"),
        (7, "steps[0].wait_for.events"),
        (7, "steps[0].on_event"),
        (8, "steps[1].id"),
        (8, "steps[1].repeat.every"),
        (8, "steps[1].repeat.times"),
        (8, "steps[1].do"),
        (8, "steps[1].repeat.until"),
        (9, "steps[2].id"),
        (9, "steps[2].split.arms.a"),
        (9, "steps[2].a"),
        (9, "steps[2].c"),
        (9, "steps[2].split.arms.b"),
    ]
