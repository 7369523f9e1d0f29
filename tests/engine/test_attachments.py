"""Attached files: stored once, required by a version, sent in mails, and deleted when nothing has them."""

from hashlib import sha256

import httpx

from domain.sending.attachment import MAX_FILE_BYTES, write_pointer
from store import attachments
from tests.harness import ADMIN_KEY, PATIENCE, Harness

CAMPAIGN = """
key: hello
name: Hello
entry: {event: Signed Up}
steps: [{id: note, send: {channel: email, template: note, category: transactional}}]
"""
NOTE = """---
channel: email
from: Example Shop <hello@example.com>
subject: Hello
text: Hello
attachments: [terms.pdf, code.txt]
---
<p>Hello</p>
"""
DATA = bytes(range(256)) * 20
HASH = sha256(DATA).hexdigest()
FILES = {
    "note.liquid": NOTE,
    "attachments/terms.pdf": write_pointer(HASH, len(DATA)),
    "attachments/code.txt.liquid": "{{ profile.user_id }}",
}


async def store(harness: Harness, data: bytes) -> httpx.Response:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/octet-stream"}
    return await harness.http.post("/v1/attachments", content=data, headers=headers)


async def test_a_mail_has_the_stored_file_and_the_rendered_one(harness: Harness) -> None:
    for _ in range(2):
        stored = (await store(harness, DATA)).raise_for_status().json()
        assert (stored["sha256"], stored["size"]) == (HASH, len(DATA))
    assert len(await harness.query("SELECT sha256 FROM attachment_files")) == 1
    await harness.run_campaign(CAMPAIGN, FILES)
    for user in ("u1", "u2"):
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Signed Up")
    for mail in await harness.inbox.wait_for(2, timeout=PATIENCE):
        pdf, code = mail.message.iter_attachments()
        assert (pdf.get_filename(), pdf.get_content()) == ("terms.pdf", DATA)
        assert f"{code.get_content()}@example.com" in mail.recipients


async def test_a_campaign_is_refused_whose_file_is_not_stored(harness: Harness) -> None:
    document = {"file": "c.yaml", "source": CAMPAIGN, "templates": FILES}
    refused = await harness.act("POST", "/v1/campaigns", document)
    assert refused.status_code == 422
    assert [(one["file"], one["message"]) for one in refused.json()["problems"]] == [
        ("attachments/terms.pdf", "this file is not stored")
    ]
    await store(harness, DATA)
    wrong = {**FILES, "attachments/terms.pdf": write_pointer(HASH, 1)}
    assert (await harness.act("POST", "/v1/campaigns", {**document, "templates": wrong})).status_code == 422
    assert (await harness.act("POST", "/v1/campaigns", document)).is_success


async def test_a_file_that_no_version_has_is_deleted_after_a_while(harness: Harness) -> None:
    await store(harness, DATA)
    await store(harness, b"other")
    await harness.publish(CAMPAIGN, FILES)
    await harness.query("UPDATE attachment_files SET stored_at = stored_at - %s RETURNING 1", 2 * attachments.GRACE)
    await store(harness, b"new")
    async with harness.database.transaction() as connection:
        await attachments.forget(connection)
    kept = {row["sha256"] for row in await harness.query("SELECT sha256 FROM attachment_files")}
    assert kept == {HASH, sha256(b"new").hexdigest()}
    missing = await harness.act("GET", f"/v1/attachments/{sha256(b'other').hexdigest()}")
    assert missing.status_code == 404


async def test_a_file_is_bounded(harness: Harness) -> None:
    assert (await store(harness, b"x" * (MAX_FILE_BYTES + 1))).status_code == 413
