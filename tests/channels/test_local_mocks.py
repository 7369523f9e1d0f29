"""SES against aws-ses-v2-local, a mock of others that keeps the mails it takes."""

import asyncio
import os
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from domain.sending.attachment import Attachment
from domain.sending.delivery import Accepted
from runtime.embedded.ports import free_port
from tests.channels.email_accounts import open_account
from tests.channels.messages import ADDRESS, mail
from tests.harness import PATIENCE, looks

MOCK = Path(__file__).parents[1] / "clients" / "node" / "node_modules" / "aws-ses-v2-local" / "dist" / "cli.js"


@asynccontextmanager
async def local_ses() -> AsyncIterator[int]:
    """The port of the mock, once it answers."""
    port = free_port()
    command = ("node", str(MOCK), "--host", "127.0.0.1", "--port", str(port))
    process = await asyncio.create_subprocess_exec(
        *command, env={"PATH": os.environ["PATH"]}, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient() as http:
            async for is_last in looks(PATIENCE):
                try:
                    await http.get(f"http://127.0.0.1:{port}/health-check")
                    break
                except httpx.TransportError:
                    assert not is_last
        yield port
    finally:
        process.terminate()
        await process.wait()


async def kept(port: int) -> list[dict[str, Any]]:
    async with httpx.AsyncClient() as http:
        emails: list[dict[str, Any]] = (await http.get(f"http://127.0.0.1:{port}/store")).json()["emails"]
    return emails


async def test_ses_finds_all_of_a_mail_in_it() -> None:
    message = mail(
        **{"from": "Füße, Söhne <hello@shop.example.com>"},
        subject="Größe “L” ist da",
        reply_to="Help <help@example.com>",
        attachments=[Attachment("größe.pdf", "application/pdf", b"%PDF-1.7")],
    )
    async with local_ses() as port:
        account = open_account("ses", port)
        answer = await account.deliver(message, ADDRESS)
        await account.close()
        [found] = await kept(port)
    assert isinstance(answer, Accepted)
    assert found["messageId"] == answer.provider_id
    assert found["from"] == '"Füße, Söhne" <hello@shop.example.com>'
    assert (found["destination"]["to"], found["replyTo"]) == ([ADDRESS], ['"Help" <help@example.com>'])
    assert found["subject"] == "Größe “L” ist da"
    assert found["body"] == {"text": "Hallo Ana\n.\n..\nBis bald\n", "html": "<p>Hallo <b>Ana</b></p>\n"}
    [attached] = found["attachments"]
    assert (attached["filename"], attached["contentType"]) == ("größe.pdf", "application/pdf")
    assert b64decode(attached["content"]) == b"%PDF-1.7"
