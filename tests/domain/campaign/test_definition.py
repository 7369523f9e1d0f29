import pytest

from domain.campaign.steps.branch import BranchStep
from domain.campaign.steps.delay import DelayStep
from domain.campaign.steps.exit import ExitStep
from domain.campaign.steps.send import SendStep
from domain.campaign.steps.wait_for import WaitStep
from tests.domain.campaign.documents import COMPLETE, HEAD, problem, problems, publish


def test_reads_everything_that_an_author_may_write() -> None:
    definition = publish(COMPLETE).definition
    assert definition.schedule.starts_at is not None
    assert definition.schedule.starts_at.isoformat() == "2026-10-31T23:00:00+00:00"
    delay, send, wait = definition.steps
    assert isinstance(delay, DelayStep)
    assert delay.delay == 1_800
    assert isinstance(send, SendStep)
    assert (send.send.expires, send.send.on_capped, send.send.category) == (21_600, "wait", "news")
    assert isinstance(wait, WaitStep)
    assert isinstance(wait.on_event[0], ExitStep)
    assert isinstance(wait.on_timeout[0], BranchStep)


def test_defaults() -> None:
    definition = publish(f"{HEAD}steps:\n  - {{id: a, send: {{channel: email, template: hello}}}}\n").definition
    (send,) = definition.steps
    assert isinstance(send, SendStep)
    assert (send.send.category, send.send.expires, send.send.on_capped) == ("marketing", 7 * 86_400, "skip")
    assert (definition.entry.reentry, definition.exit, definition.stage) == ("always", None, None)


STEPS = HEAD + "steps:\n"
DELAY = STEPS + "  - {id: a, delay: 1h}\n"


@pytest.mark.parametrize(
    ("text", "line", "path", "message", "suggestion"),
    [
        ("[]", 1, "document", "a list is not a mapping", "key, name, stage, timezone, schedule, entry, exit"),
        ("key: [1]\n" + DELAY[20:], 1, "key", "a list is not a text", "quotes"),
        (DELAY.replace("abandoned-cart", "Abandoned Cart!"), 1, "key", "not a slug", "`abandoned-cart`"),
        (DELAY.replace("abandoned-cart", "a" * 65), 1, "key", "65 characters", "at most 64"),
        (DELAY.replace("name: Abandoned cart\n", ""), 1, "name", "`name` is missing", "for people"),
        (DELAY.replace("name: Abandoned cart", "name: ''"), 2, "name", "0 characters", "at least one"),
        (DELAY + "caps: {limit: 3}\n", 6, "caps", "the key `caps` is not known here", "Allowed: key, name"),
        (DELAY + "goal: {event: x}\n", 6, "goal.within", "`within` is missing", "how long after the entry it counts"),
        (
            DELAY + "goal: Paid\n",
            6,
            "goal",
            "`Paid` is not a mapping",
            "event, page, screen, group, changed, consent, opened, joins, leaves, stage, arrives, where, within, "
            "exit_on_goal",
        ),
        (
            DELAY + "goal: {event: x, within: 1d, exit_on_goal: yes}\n",
            *(6, "goal.exit_on_goal", "`yes` is neither true nor false", "Write `true` or `false`"),
        ),
        (DELAY + "timezone: berlin\n", 6, "timezone", "`berlin` is not a time zone", "`Europe/Berlin`"),
        (DELAY + "send_window: 9-21\n", 6, "send_window", "`9-21` is not a mapping", "Write its keys: from, to, days"),
        (DELAY + "exit: {event: Paid}\n", 6, "exit", "a mapping is not a list", "Write one `- {event: …}` line"),
        (DELAY + "scheduel: {}\n", 6, "scheduel", "not known", "Did you mean `schedule`?"),
        (HEAD + "steps: []\n", 4, "steps", "the list is empty", "at least one"),
        (HEAD + "steps:\n", 4, "steps", "has no value", "Write one"),
        (HEAD + "steps: {id: a}\n", 4, "steps", "a mapping is not a list", "- …"),
        (HEAD, 1, "steps", "`steps` is missing", "a list of steps"),
        (DELAY + "exit: []\n", 6, "exit", "the list is empty", "leave the key out"),
        (DELAY + "exit:\n", 6, "exit", "has no value", "leave the line out"),
        (DELAY + "stage:\n", 6, "stage", "has no value", "leave the line out"),
        (DELAY + "schedule: {starts_at: 2026-11-01}\n", 6, "schedule.starts_at", "offset", "2026-11-01T09:00:00Z"),
        (DELAY + "schedule: {starts_at: 20261}\n", 6, "schedule.starts_at", "`20261` is not a time", "offset"),
        (DELAY + "schedule: {at_end: stop}\n", 6, "schedule.at_end", "`stop` is not allowed", "Allowed: drain, exit"),
        (DELAY + "on_resume: wait\n", 6, "on_resume", "`wait` is not a valid `on_resume`", "`send`, `skip`, `retime`"),
        (DELAY + "on_resume:\n", 6, "on_resume", "has no value", "{overdue: send, rate: 100}"),
        (DELAY + "on_resume: {overdue: wait}\n", 6, "on_resume.overdue", "`wait`", "Allowed: send, skip, retime"),
        (DELAY + "on_resume: {rate: 0}\n", 6, "on_resume.rate", "out of bounds", "at least 1"),
        (DELAY + "on_resume: {rate: 10001}\n", 6, "on_resume.rate", "out of bounds", "at most 10,000"),
        (DELAY + "on_resume: {overdu: skip}\n", 6, "on_resume.overdu", "not known", "Did you mean `overdue`?"),
        (DELAY.replace("Abandoned}", "Abandoned, reentry: once}"), 3, "entry.reentry", "`once`", "`{after: 7d}`"),
        (
            DELAY.replace("Abandoned}", "Abandoned, reentry: {after: 0s}}"),
            *(3, "entry.reentry.after", "out of bounds", "1s to 366d"),
        ),
        (DELAY.replace("Abandoned}", "Abandoned, where: true}"), 3, "entry.where", "`true` is not a text", "quotes"),
        (DELAY.replace("Cart Abandoned", "' Cart'"), 3, "entry.event", "not one plain line", "No spaces around it"),
        (
            DELAY.replace("Abandoned}", "Abandoned, where: event.propertis.x == 1}"),
            *(3, "entry.where", "no field `propertis`", "Did you mean `properties`?"),
        ),
        (
            DELAY.replace("Abandoned}", "Abandoned, key: event.properties.x == 1}"),
            *(3, "entry.key", "a key is a text or a whole number", "string(…)"),
        ),
        (
            DELAY + "exit:\n  - event: Paid\n    where: journey.steps.a > 0\n",
            *(8, "exit[0].where", "`journey` is not known here", "event, entry, profile"),
        ),
        (STEPS + "  - wait\n", 5, "steps[0]", "`wait` is not a step", "{id: cool-off, delay: 30m}"),
        (STEPS + "  -\n", 5, "steps[0]", "nothing is not a step", "Write a mapping"),
        (STEPS + "  - {id: a}\n", 5, "steps[0]", "the step does nothing", "emit_event, exit"),
        (STEPS + "  - {id: a, dealy: 1h}\n", 5, "steps[0]", "`dealy` is not a kind of step", "Did you mean `delay`?"),
        (STEPS + "  - {id: a, type: delay}\n", 5, "steps[0]", "`type` is not a kind of step", "one of: delay"),
        (STEPS + "  - {delay: 1h}\n", 5, "steps[0].id", "`id` is missing", "Add `id: …`"),
        (STEPS + "  - {id: a_b, delay: 1h}\n", 5, "steps[0].id", "not a slug", "`a-b`"),
        (STEPS + "  - {id: a, delay: 30}\n", 5, "steps[0].delay", "`30` is not a duration", "`30m`"),
        (STEPS + "  - {id: a, delay: 0m}\n", 5, "steps[0].delay", "out of bounds", "from 1s to 366d"),
        (STEPS + "  - {id: a, delay: 367d}\n", 5, "steps[0].delay", "out of bounds", "from 1s to 366d"),
        (
            STEPS + "  - {id: a, delay: 1h, send: {channel: email, template: hello}}\n",
            *(5, "steps[0].send", "`send` cannot stand beside `delay`", "make it two steps"),
        ),
        (
            STEPS + "  - id: a\n    send:\n      channel: pigeon\n      template: hello\n",
            *(7, "steps[0].send.channel", "`pigeon` is not a channel", "There are: email, "),
        ),
        (
            STEPS + "  - id: a\n    send:\n      chanel: email\n      channel: email\n      template: hello\n",
            *(7, "steps[0].send.chanel", "not known", "Did you mean `channel`?"),
        ),
        (
            STEPS + "  - id: a\n    send: {channel: email}\n",
            *(6, "steps[0].send.template", "`template` is missing", "without language and suffix"),
        ),
        (
            STEPS + "  - {id: a, send: {channel: email, template: hello, on_capped: later}}\n",
            *(5, "steps[0].send.on_capped", "`later` is not allowed", "Allowed: skip, wait, exit"),
        ),
        (
            STEPS + "  - {id: a, wait_for: {event: Seen}}\n",
            *(5, "steps[0].wait_for.timeout", "`timeout` is missing", "how long to wait"),
        ),
        (
            STEPS + "  - {id: a, wait_for: {event: Seen, timeout: 1d}, on_evnt: []}\n",
            *(5, "steps[0].on_evnt", "not known", "Did you mean `on_event`?"),
        ),
        (
            STEPS + "  - {id: a, wait_for: {event: Seen, timeout: 1d, where: event.name > 'x'}, on_timeout: 3}\n",
            *(5, "steps[0].on_timeout", "`3` is not a list", "- …"),
        ),
        (STEPS + "  - {id: a, branch: []}\n", 5, "steps[0].branch", "the list is empty", "at least one"),
        (
            STEPS + "  - id: a\n    branch:\n      - {do: []}\n",
            *(7, "steps[0].branch[0].when", "`when` is missing", "a condition in CEL"),
        ),
        (
            STEPS + "  - id: a\n    branch:\n      - {when: event.type == 'x', do: []}\n",
            *(7, "steps[0].branch[0].when", "`event` is not known here", "profile, account, entry, journey"),
        ),
        (
            STEPS + "  - id: a\n    branch:\n      - {when: 'true', do: [], then: []}\n",
            *(7, "steps[0].branch[0].then", "the key `then` is not known here", "Did you mean `do`?"),
        ),
        (
            STEPS + "  - id: a\n    branch:\n      - {when: 'true', do: []}\n    else: []\n",
            *(8, "steps[0].else", "the key `else` is not known here", "Did you mean `otherwise`?"),
        ),
        (STEPS + "  - {id: w, wait: 1d}\n", 5, "steps[0]", "`wait` is not a kind of step", "Did you mean `delay`?"),
        (
            STEPS + "  - {id: a, emit_event: {evnt: Seen}}\n",
            *(5, "steps[0].emit_event.evnt", "the key `evnt` is not known here", "Did you mean `event`?"),
        ),
        (
            STEPS + "  - id: a\n    branch:\n      - {if: profile.traits.x, do: []}\n",
            *(7, "steps[0].branch[0].if", "the key `if` is not known here", "Did you mean `when`?"),
        ),
        (
            STEPS + "  - id: a\n    branch:\n      - {whn: profile.traits.x, do: []}\n",
            *(7, "steps[0].branch[0].whn", "the key `whn` is not known here", "Did you mean `when`?"),
        ),
        (STEPS + "  - {exit: Engaged}\n", 5, "steps[0].exit", "not a slug", "`engaged`"),
        (STEPS + "  - {exit: engaged, id: }\n", 5, "steps[0].id", "has no value", "leave the line out"),
    ],
)
def test_each_mistake_has_its_line_path_and_remedy(
    text: str, line: int, path: str, message: str, suggestion: str
) -> None:
    found = problem(text)
    assert (found.file, found.line, found.path) == ("campaign.yaml", line, path)
    assert message in found.message
    assert suggestion in found.suggestion


def test_all_mistakes_are_said_at_once_from_top_to_bottom() -> None:
    text = """\
key: Bad Key
nmae: x
nmae: y
entry:
  event: Cart Abandoned
  where: evnt.properties.x == 1
steps:
  - {id: a, delay: 0s}
  - id: b
    wait_for: {event: Seen, timeout: 9x}
    on_event:
      - {exit: seen}
      - {id: c, delay: 1h}
    on_timeout:
      - {id: a, send: {channel: email, template: helo}}
      - id: d
        branch:
          - {when: journey.messages.b == 'sent', do: []}
"""
    assert [(found.line, found.path) for found in problems(text)] == [
        (1, "key"),
        (2, "nmae"),
        (3, "nmae"),
        (6, "entry.where"),
        (8, "steps[0].delay"),
        (10, "steps[1].wait_for.timeout"),
        (13, "steps[1].on_event[1]"),
        (15, "steps[1].on_timeout[0].id"),
        (15, "steps[1].on_timeout[0].send.template"),
        (18, "steps[1].on_timeout[1].branch[0].when"),
    ]
