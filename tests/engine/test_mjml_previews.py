"""A preview and a test of a mail in MJML."""

from tests.harness import PATIENCE, Harness

MJML = {
    "note.mjml": """---
channel: email
from: Example Shop <hello@example.com>
from_owner: profile.traits.owner
subject: Hello
text: "{{ deployment.postal_address }}"
layout: base
attachments: [code.txt]
---
<mj-section><mj-column><mj-text>Hello {{ profile.traits.first_name }}</mj-text></mj-column></mj-section>
""",
    "layouts/base.mjml": "<mjml><mj-body>{{ content }}</mj-body></mjml>",
    "attachments/code.txt.liquid": "{{ profile.user_id }}",
}


async def test_a_mail_in_mjml_is_shown_and_sent_with_its_sender_and_its_attachments(harness: Harness) -> None:
    source = "senders: [{owner: anna, from: Anna Berg <anna@example.com>}]\npostal_address: Pier 1\n"
    await harness.admin("PUT", "/v1/senders", {"file": "senders.yaml", "source": source})
    await harness.publish(
        "key: hello\nname: Hello\nentry: {event: Signed Up}\n"
        "steps: [{id: note, send: {channel: email, template: note, category: transactional}}]\n",
        MJML,
    )
    await harness.identify("u1", email="u1@example.com", first_name="Ada", owner="anna")
    wanted = {"campaign": "hello", "step": "note", "user_id": "u1"}
    shown = await harness.admin("POST", "/v1/templates/preview", wanted)
    assert shown["problems"] == []
    assert shown["content"]["from"] == "Anna Berg <anna@example.com>"
    assert shown["content"]["text"] == "Pier 1"
    assert "Hello Ada</div>" in shown["content"]["html"]
    assert shown["attachments"] == [{"name": "code.txt", "media_type": 'text/plain; charset="utf-8"', "size": 2}]
    sent = await harness.admin("POST", "/v1/templates/send-test", {**wanted, "to": "ops@example.com"})
    assert sent["outcome"] == "accepted"
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    assert [part.get_content() for part in mail.message.iter_attachments()] == ["u1"]
