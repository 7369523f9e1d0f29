"""Tell mails that programs write from those of people.

https://www.rfc-editor.org/rfc/rfc3834 (automatic responses), https://www.rfc-editor.org/rfc/rfc2076 (Precedence)
"""

import re
from email.message import Message
from typing import Final

from channels.email.content import MESSAGE_HEADER

# The last one: a mail of ours that is sent on, or a reply that was forwarded.
_MARKS: Final = ("X-Autoreply", "X-Autorespond", "X-Mail-Autoreply", "List-Id", MESSAGE_HEADER)
_PRECEDENCES: Final = frozenset({"bulk", "junk", "list", "auto_reply"})
_MAILER: Final = re.compile(r"(?:mailer-daemon|postmaster)@", re.IGNORECASE)
# For servers that set no header: how they begin the subject, in the languages of the templates of vacation replies.
_SUBJECT: Final = re.compile(
    r"(?:out of (?:the )?office|automatic reply|auto(?:mated)?[ -]?(?:reply|response)|i am away|on vacation"
    r"|automatische antwort|abwesenheit(?:snotiz|smeldung)?|abwesend|réponse automatique|absence du bureau"
    r"|message d'absence"
    r"|respuesta automática|fuera de (?:la )?oficina|risposta automatica|fuori sede|resposta automática"
    r"|automatisch antwoord|afwezig|autosvar|automatiskt svar|fravær|automaattinen vastaus|odpowiedź automatyczna"
    r"|automatická odpověď|自動応答|不在通知|自动回复)\b",
    re.IGNORECASE,
)


def is_automatic(mail: Message, sender: str | None, subject: str) -> bool:
    """Return whether a program wrote a mail; `sender` is the envelope's, if known."""
    submitted = _word(mail, "Auto-Submitted")
    if submitted not in ("", "no") or _is_marked(mail, sender):
        return True
    return not submitted and _SUBJECT.match(subject) is not None


def is_automatic_response(mail: Message, sender: str | None) -> bool:
    """Return whether a program wrote a mail as an answer, not for a person.

    Mail programs generate the mails by which people unsubscribe.
    """
    return _word(mail, "Auto-Submitted").startswith("auto-re") or _is_marked(mail, sender)


def _is_marked(mail: Message, sender: str | None) -> bool:
    returned = str(mail.get("Return-Path", "?")).strip() if sender is None else f"<{sender}>"
    return (
        returned == "<>"
        or any(name in mail for name in _MARKS)
        or _word(mail, "Precedence") in _PRECEDENCES
        or is_from_mailer(mail)
    )


def is_from_mailer(mail: Message) -> bool:
    """Return whether a mail server wrote a mail."""
    return _MAILER.search(str(mail.get("From", ""))) is not None


def _word(mail: Message, name: str) -> str:
    return str(mail.get(name, "")).partition(";")[0].strip().lower()
