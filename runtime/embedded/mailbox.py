"""The other side of a mail: its recipient, the mail server, a scanner."""

import re
from collections.abc import Iterator
from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import make_msgid
from html import unescape

import httpx

from runtime.embedded.mail import ReceivedMail

# A browser's. Scanners pretend to be one.
_USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_ANCHOR = re.compile(r'<a\b[^>]*href="([^"]+/c/[^"]+)"[^>]*>(.*?)</a\s*>', re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_LINK, _IMAGE = re.compile(r'href="([^"]+/c/[^"]+)"'), re.compile(r'src="([^"]+/o/[^"]+)"')


async def open_mail(mail: ReceivedMail) -> None:
    """Show the images of a mail, as a mail program does."""
    async with _browser() as http:
        for url in _find(_IMAGE, mail):
            (await http.get(url)).raise_for_status()


def has_images(mail: ReceivedMail) -> bool:
    """Whether its images tell that it is opened."""
    return next(_find(_IMAGE, mail), None) is not None


def list_links(mail: ReceivedMail) -> list[tuple[str, str]]:
    """Return the links that tell of a click, with their texts; hidden ones have none."""
    found = ((unescape(url), _plain(inner)) for url, inner in _ANCHOR.findall(mail.html or ""))
    return [(url, text) for url, text in found if text]


async def click_link(mail: ReceivedMail, number: int = 0) -> None:
    """Follow a link of a mail; the page behind it confirms the click."""
    async with _browser() as http:
        url = list_links(mail)[number][0]
        _check_target(await http.get(url))
        (await http.post(url)).raise_for_status()


async def scan_mail(mail: ReceivedMail) -> None:
    """Follow every link of a mail, also hidden ones, as scanners do."""
    async with _browser() as http:
        for url in _find(_LINK, mail):
            await http.get(url)


def bounce(mail: ReceivedMail) -> bytes:
    """Return the report that there is no such recipient (RFC 3464)."""
    server = Message()
    server["Reporting-MTA"] = "dns; mx.example.com"
    recipient = Message()
    recipient["Final-Recipient"] = f"rfc822; {mail.recipients[0]}"
    recipient["Action"] = "failed"
    recipient["Status"] = "5.1.1"
    return _report("delivery-status", "There is no such mailbox.", [server, recipient], mail)


def complaint(mail: ReceivedMail) -> bytes:
    """Return the report that a recipient called a mail spam (RFC 5965)."""
    fields = Message()
    fields["Feedback-Type"] = "abuse"
    fields["User-Agent"] = "mailbox.example.com"
    fields["Version"] = "1"
    return _report("feedback-report", "This mail was called spam.", [fields], mail)


def reply(mail: ReceivedMail, text: str) -> bytes:
    """Return the recipient's answer, with the mail quoted below."""
    answer = EmailMessage()
    answer["From"] = mail.recipients[0]
    answer["To"] = reply_address(mail)
    answer["Subject"] = f"Re: {mail.subject}"
    answer["Message-ID"] = make_msgid(domain="example.com")
    answer["In-Reply-To"] = str(mail.message["Message-ID"])
    answer.set_content(f"{text}\n\nThe shop wrote:\n> {mail.subject}\n")
    return answer.as_bytes()


def reply_address(mail: ReceivedMail) -> str:
    """Return the address that an answer goes to."""
    return str(mail.message["Reply-To"])


def _report(kind: str, text: str, fields: list[Message], mail: ReceivedMail) -> bytes:
    report = MIMEMultipart("report", report_type=kind)
    report["From"], report["To"], report["Subject"] = "MAILER-DAEMON@mx.example.com", mail.sender, "About your mail"
    report["Auto-Submitted"] = "auto-replied"
    report.attach(MIMEText(text))
    report.attach(_part(f"message/{kind}", [*fields]))
    report.attach(_part("text/rfc822-headers", _headers(mail).as_string()))
    return report.as_bytes()


def _part(kind: str, content: list[Message | str] | str) -> Message:
    part = Message()
    part["Content-Type"] = kind
    part.set_payload(content)
    return part


def _headers(mail: ReceivedMail) -> Message:
    headers = Message()
    for name in ("Message-ID", "X-Sojourn-Message"):
        headers[name] = str(mail.message[name])
    return headers


def _find(pattern: re.Pattern[str], mail: ReceivedMail) -> Iterator[str]:
    return (unescape(url) for url in pattern.findall(mail.html or ""))


def _plain(html: str) -> str:
    return " ".join(unescape(_TAG.sub(" ", html)).split())


def _browser() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, headers={"User-Agent": _USER_AGENT})


def _check_target(answer: httpx.Response) -> None:
    if not answer.is_redirect:
        raise ValueError(f"a link of the mail leads nowhere: {answer.status_code}")
