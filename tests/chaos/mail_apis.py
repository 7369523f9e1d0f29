"""The two providers of e-mail by HTTP: `keyless` is Postmark's API, and `keyed` that of Resend.

One delivers a mail as often as it is handed over, the other knows by its key one that it has taken. Each reports about
what it has taken, perhaps before it answers.
"""

import json
from asyncio import StreamWriter
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal, get_args

from tests import generated
from tests.chaos.providers import TOO_MANY, Arrival, Effect, HttpServer, Log, find_header, reply, reset
from tests.chaos.reporter import Reporter, ReportingName, hook_secret

# It takes the mail and then hangs up, is silent or answers 500; or it refuses the account, or for a while.
ApiMode = Literal["well", "drops", "hangs", "500", "401", "429"]
NAMES: tuple[ReportingName, ...] = get_args(ReportingName)
KINDS: dict[ReportingName, str] = {"keyless": "postmark", "keyed": "resend"}


@dataclass(frozen=True, slots=True)
class _Mail:
    message_id: str
    subject: str


class MailApi(HttpServer):
    """One of the two."""

    def __init__(self, name: ReportingName, log: Log, reporter: Reporter) -> None:
        super().__init__()
        self.name: ReportingName = name
        self.mode: ApiMode = "well"
        self.log = log
        self._reporter = reporter
        # By their keys, what it has taken.
        self._taken: dict[str, bytes] = {}

    def turn(self, mode: ApiMode) -> None:
        """Behave so from now on. Whoever hung is answered."""
        self.mode = mode
        self.lift()

    async def answer(self, head: str, body: bytes, writer: StreamWriter) -> None:
        at, data = monotonic(), json.loads(body)
        mail = _read_postmark(data) if self.name == "keyless" else _read_resend(data)
        campaign, user, ref = mail.subject.split()

        def arrived(effect: Effect) -> Arrival:
            arrival = Arrival(at, self.name, mail.message_id, campaign, user, ref, effect)
            self.log.add(arrival)
            return arrival

        match self.mode:
            case "401":
                arrived("refused")
                await reply(writer, "401 Unauthorized", '{"name": "missing_api_key", "ErrorCode": 10}')
                return
            case "429":
                arrived("refused")
                await reply(writer, TOO_MANY)
                return
        # It is the provider's from here on, whatever becomes of its answer.
        if self.name == "keyed" and (key := find_header(head, "idempotency-key")) in self._taken:
            arrived("again")
            is_same = self._taken[key] == body
        else:
            is_same = True
            self._taken[mail.message_id] = body
            await self._reporter.report(arrived("done"))
        match self.mode:
            case "drops":
                reset(writer)
                return
            case "hangs":
                await self.hang()
            case "500":
                await reply(writer, "500 Internal Server Error")
                return
        if is_same:
            answer = {"id": mail.message_id, "MessageID": mail.message_id, "ErrorCode": 0}
            await reply(writer, "200 OK", json.dumps(answer))
        else:
            await reply(writer, "409 Conflict", '{"name": "invalid_idempotent_request"}')


def write_document(relay_port: int, *, keyless: int = 50) -> str:
    """The document of providers: so many percent of marketing go by `keyless`, and transactional mails by all three."""
    apis = "".join(
        f"  {name}: {{kind: {KINDS[name]}, channel: email, token: {{env: {_variable(name)}}}, "
        f"callback_secret: {{env: {_variable(name)}_HOOK}}}}\n"
        for name in NAMES
    )
    return (
        f"providers:\n  relay: {{kind: smtp, channel: email, host: 127.0.0.1, port: {relay_port}, security: none}}\n"
        f"{apis}routes:\n"
        "  - {channel: email, category: transactional, use: {relay: 40, keyless: 30, keyed: 30}}\n"
        f"  - {{channel: email, use: {{keyless: {keyless}, keyed: {100 - keyless}}}}}\n"
    )


def variables() -> Mapping[str, str]:
    """The secrets that the document names, as an environment has them."""
    tokens = {_variable(name): generated.secret(name) for name in NAMES}
    return tokens | {f"{_variable(name)}_HOOK": hook_secret(name) for name in NAMES}


def _variable(name: ReportingName) -> str:
    return f"SOJOURN_SECRET_{name.upper()}"


def _read_postmark(data: dict[str, Any]) -> _Mail:
    return _Mail(data["Metadata"]["message_id"], data["Subject"])


def _read_resend(data: dict[str, Any]) -> _Mail:
    [id] = [tag["value"] for tag in data["tags"] if tag["name"] == "message_id"]
    return _Mail(id, data["subject"])
