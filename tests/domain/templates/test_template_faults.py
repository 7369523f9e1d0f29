"""Each fault of a template is told at once, with its line."""

import pytest

from domain.templates.template_sets import TemplateRenderError, load
from tests.domain.templates.template_files import EMAIL, WEBHOOK, context, email, problems_of


def test_everything_wrong_is_told_at_once_with_its_line() -> None:
    broken = """---
channel: email
from: Example Shop <hello@>
subjct: x
subject: Hi {{ profil.traits.first_name }}
text: |
  Hello
  {{ entry.propertie.value | defualt: 3 }}
preheader: "{{ entry }}"
---
<p>
{{ now }} {{ profile.traits.name | safe }} {{ campaign.name | upcase }}
"""
    files = {
        "a.liquid": broken,
        "b.de.liquid": EMAIL,
        "C@.liquid": EMAIL,
        "notes.txt": "",
        "d.liquid": "no front matter",
        "e.liquid": "---\nchannel: fax\n---\n",
        "f.liquid": "---\nchannel: email\nsubject: a: {{ b }}\n---\n",
        "g.liquid": "---\nchannel: email\n",
        "h.liquid": "---\nchannel: email\n---\n",
        "x/i.liquid": EMAIL,
        "y/i.liquid": EMAIL,
        "j.liquid": EMAIL,
        "j.de.liquid": WEBHOOK,
    }
    sets, problems = load(files)
    told = [(problem.file, problem.line, problem.path, problem.message) for problem in problems]
    assert told == [
        ("C@.liquid", 1, "file name", "this does not name a template"),
        ("a.liquid", 3, "from", "this is not an address"),
        ("a.liquid", 4, "subjct", "there is no key 'subjct'"),
        ("a.liquid", 5, "subject", "there is no variable 'profil.traits.first_name'"),
        ("a.liquid", 8, "text", "there is no filter 'defualt'"),
        ("a.liquid", 8, "text", "there is no variable 'entry.propertie.value'"),
        ("a.liquid", 9, "preheader", "'entry' is not a value"),
        ("a.liquid", 12, "body", "there is no filter 'safe'"),
        ("a.liquid", 12, "body", "there is no variable 'now'"),
        ("b.de.liquid", 1, "file name", "'b' has no default language"),
        ("d.liquid", 1, "front matter", "the file does not begin with front matter"),
        ("e.liquid", 2, "channel", "the channel is missing or unknown"),
        ("f.liquid", 3, "front matter", "the line has a `:` where no key can stand"),
        ("g.liquid", 1, "front matter", "the front matter does not end"),
        ("h.liquid", 1, "front matter", "'subject' is missing"),
        ("h.liquid", 1, "front matter", "'from' is missing"),
        ("h.liquid", 1, "front matter", "'text' is missing"),
        ("h.liquid", 4, "body", "the body is empty"),
        ("j.de.liquid", 2, "channel", "the default language is for email"),
        ("j.de.liquid", 3, "url", "there is no key 'url'"),
        ("notes.txt", 1, "file name", "this does not name a template"),
        ("y/i.liquid", 1, "file name", "x/i.liquid is the same template"),
    ]
    suggestions = {problem.message: problem.suggestion for problem in problems}
    assert suggestions["there is no key 'subjct'"] == (
        "Did you mean `subject`? "
        "Keys: channel, subject, from, text, reply_to, from_owner, preheader, layout, attachments, survey, language"
    )
    assert suggestions["there is no variable 'profil.traits.first_name'"] == (
        "Did you mean `profile.traits.first_name`? "
        "Variables: account, booking_query, campaign, confirm_url, deployment, entry, journey, message, "
        "preferences_url, profile, survey_url, unsubscribe_url"
    )
    assert suggestions["there is no variable 'entry.propertie.value'"] == (
        "Did you mean `properties`? Fields of entry: anonymous_id, event, properties, timestamp"
    )
    assert suggestions["there is no filter 'defualt'"].startswith("Did you mean `default`? ")
    assert set(sets) == set("abdefghij")
    with pytest.raises(TemplateRenderError):
        sets["a"].render(context(), None)


@pytest.mark.parametrize(
    ("text", "line", "path"),
    [
        (email(**{"from": "{{ profile.traits.name }} <a@example.com>"}), 3, "from"),
        (email(**{"from": "Example Shop"}), 3, "from"),
        (email(**{"from": "Example\nShop <hello@example.com>"}), 3, "from"),
        (email(reply_to="nobody"), 6, "reply_to"),
        (email(subject=" "), 4, "subject"),
        (email().replace('subject: "s"', "subject: 3"), 4, "subject"),
        (email().replace('subject: "s"', 'subject: "s"\nsubject: t'), 5, "subject"),
        (WEBHOOK.replace("https://crm.example.com/hook", "{{ profile.user_id }}"), 3, "url"),
        (WEBHOOK.replace("https://", "ftp://"), 3, "url"),
        (WEBHOOK.replace("crm.example.com", "user:secret@crm.example.com"), 3, "url"),
        (WEBHOOK.replace("crm.example.com", "crm.example.com:99999"), 3, "url"),
        (WEBHOOK.replace("crm.example.com", "crm example.com"), 3, "url"),
        (WEBHOOK.replace("user:", '"{{ profile.user_id }}":'), 5, "body"),
        (WEBHOOK.replace("city:", "user:"), 6, "body.user"),
        (WEBHOOK.replace("2.5", ".inf"), 7, "body.deep[1]"),
        (WEBHOOK.replace("2.5", "18446744073709551616"), 7, "body.deep[1]"),
        (WEBHOOK.replace("2.5", "!!python/name:os.system"), 7, "body"),
        (WEBHOOK.replace("campaign.name", "campaign.nam"), 7, "body.deep[4].name"),
        (WEBHOOK.replace("user: ", "user: &a ").replace("2.5", "*a"), 7, "body"),
        (WEBHOOK.partition("user:")[0] + "- just\n- a list\n", 5, "body"),
        (WEBHOOK.partition("user:")[0] + "[" * 5000, 5, "body"),
        ("\n" + EMAIL, 1, "front matter"),
        (email("x" * 256 * 1024), 1, "file"),
    ],
)
def test_each_fault_is_pointed_at(text: str, line: int, path: str) -> None:
    problems = problems_of(text)
    assert problems
    assert (problems[0].line, problems[0].path) == (line, path)
    assert all(problem.suggestion for problem in problems)
