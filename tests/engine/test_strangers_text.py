"""What anyone can report as a trait reaches a mail as text: from the event over HTTP to the bytes of a real inbox."""

import pytest

from tests.harness import PATIENCE, Harness

CAMPAIGN = """
key: welcome
name: Welcome
entry: {event: Signed Up}
steps: [{id: hello, send: {channel: email, template: note, category: transactional}}]
"""


@pytest.mark.parametrize(
    "first_name",
    [
        "=?utf-8?q?A=0D=0ABcc=3A_x=40evil.example?=",
        "=?utf-8?q?A=0D=0AContent-Type=3A_text/html=0D=0A=0D=0Aanother_body?=",
        "A\r\nBcc: x@evil.example\r\n\r\nanother body",
        "\u2028Bcc: x@evil.example\x85",
    ],
)
async def test_a_trait_in_a_subject_adds_no_header_and_no_body(harness: Harness, first_name: str) -> None:
    await harness.run_campaign(CAMPAIGN)
    await harness.identify("u1", email="ana@example.com", first_name=first_name)
    await harness.track("u1", "Signed Up")
    [mail] = await harness.inbox.wait_for(1, PATIENCE)
    assert [name for name, _ in mail.headers] == [
        "Subject",
        "From",
        "To",
        "Date",
        "Message-ID",
        "X-Sojourn-Message",
        "MIME-Version",
        "Content-Type",
    ]
    assert mail.recipients == ("ana@example.com",)
    # One line: white space of any kind is a blank there.
    assert mail.subject == f"A note for {' '.join(first_name.split())}"
    assert mail.text == "Cart none\n"
