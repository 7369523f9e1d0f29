"""Mails in MJML with blocks and a layout: published, planned and sent."""

from tests.harness import PATIENCE, Harness

CAMPAIGN = """
key: hello
name: Hello
entry: {event: Signed Up}
steps: [{id: note, send: {channel: email, template: note}}]
"""
FILES = {
    "note.mjml": """---
channel: email
from: Example Shop <hello@example.com>
subject: Hello
layout: base
text: Hello
---
<mj-section><mj-column>{% render 'button', label: profile.traits.first_name %}</mj-column></mj-section>
""",
    "blocks/button.mjml": '<mj-button href="https://shop.example.com/">{{ label }}</mj-button>',
    "blocks/unused.mjml": "{% nothing %}",
    "layouts/base.mjml": "<mjml><mj-body>{{ content }}</mj-body></mjml>",
}


async def test_a_mail_is_sent_as_it_was_compiled_when_published(harness: Harness) -> None:
    await harness.run_campaign(CAMPAIGN, FILES)
    [version] = await harness.query("SELECT templates, compiled_bodies FROM campaign_versions")
    assert version["templates"].keys() == {"note.mjml", "blocks/button.mjml", "layouts/base.mjml"}
    assert version["compiled_bodies"]["note.mjml"]["html"].startswith("<!doctype html>")
    await harness.query(
        """
        UPDATE campaign_versions SET compiled_bodies = jsonb_set(
          compiled_bodies, '{note.mjml,html}',
          to_jsonb(replace(compiled_bodies #>> '{note.mjml,html}', '</body>', '<!-- kept --></body>')))
        RETURNING 1
        """
    )
    await harness.identify("u1", email="u1@example.com", first_name="<Ada>")
    await harness.track("u1", "Signed Up")
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    assert "&lt;Ada&gt;</a>" in (mail.html or "")
    assert "<!-- kept -->" in (mail.html or "")


async def test_a_plan_names_the_block_that_is_changed(harness: Harness) -> None:
    await harness.run_campaign(CAMPAIGN, FILES)
    document = {"file": "campaign.yaml", "source": CAMPAIGN, "templates": FILES, "in_flight": "keep"}
    plan = await harness.admin("POST", "/v1/campaigns/hello/plan", document)
    assert (plan["is_new"], plan["changes"]) == (False, [])
    changed = FILES | {"blocks/button.mjml": FILES["blocks/button.mjml"].replace("{{ label }}", "{{ label }}!")}
    plan = await harness.admin("POST", "/v1/campaigns/hello/plan", {**document, "templates": changed})
    assert plan["is_new"]
    assert [change["text"] for change in plan["changes"]] == ["block blocks/button.mjml is changed"]
    changed = FILES | {"blocks/unused.mjml": "x"}
    plan = await harness.admin("POST", "/v1/campaigns/hello/plan", {**document, "templates": changed})
    assert not plan["is_new"]
