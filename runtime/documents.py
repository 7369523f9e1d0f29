"""Checks of documents in processes of their own, at most two at once."""

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from application.documents import CampaignText
from domain.campaign.difference import Change
from domain.campaign.publication import Published
from domain.deployed_names import DeployedNames
from domain.deployment_documents import DocumentKind, Rule
from domain.errors import InvalidDocumentError, OverloadedError, Problem
from domain.people.segment_document import CONDITION, CheckedSegment, SegmentSource
from domain.people.segments.definition import SegmentRule
from domain.rehearsal.given_documents import GivenDocument, GivenText
from domain.sending.previewed_people import PreviewedPerson
from domain.sending.previews import MessagePreview, PreviewedMessage, PreviewOptions
from runtime.document_process import PID_BYTES, Limits

MAX_AT_ONCE: Final = 2
# Each waits for about a second; more would wait in vain.
MAX_WAITING: Final = 20
RETRY_SECONDS: Final = 5
MODULE = "runtime.document_process"
LIMITS: Final = Limits()


class _WarmProcess:
    """The process that forks the checks. It ends with this one, however this one ends."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this Python and our own module
                # -P: folders of the working directory, such as a shop's own `domain`, are not imported.
                [sys.executable, "-P", "-m", MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Without the secrets of this process.
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ.get("PATH", "")},
            )

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """Release a process that has ended."""
        self._control.close()

    def fork(self, connection: socket.socket) -> None:
        """Fork a check that talks on this socket."""
        socket.send_fds(self._control, [b"f"], [connection.fileno()])


class DocumentProcesses:
    """Implements `application.documents.Documents`. `limits` apply to each check."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._waiting = 0

    async def campaign(self, text: CampaignText) -> Published:
        checked: Published = await self._check("campaign", text.file, text)
        return checked

    async def rules(self, kind: DocumentKind[Rule], source: str, file: str) -> list[Rule]:
        rules: list[Rule] = await self._check("rules", file, kind.name, source, file)
        return rules

    async def segments(
        self, texts: Sequence[SegmentSource], names: DeployedNames, deployed: Mapping[str, SegmentRule]
    ) -> list[CheckedSegment]:
        file = texts[0].file if texts else "segments"
        checked: list[CheckedSegment] = await self._check("segments", file, texts, names, deployed)
        return checked

    async def condition(self, where: str, names: DeployedNames) -> Sequence[Problem]:
        warnings: Sequence[Problem] = await self._check("condition", CONDITION, where, names)
        return warnings

    async def preview(
        self, message: PreviewedMessage, person: PreviewedPerson | None, options: PreviewOptions
    ) -> MessagePreview:
        preview: MessagePreview = await self._check("preview", f"{message.template}.liquid", message, person, options)
        return preview

    async def backtest(self, texts: Sequence[GivenText]) -> list[GivenDocument]:
        file = texts[0].file if texts else "documents"
        checked: list[GivenDocument] = await self._check("backtest", file, texts)
        return checked

    async def changes(self, before: CampaignText | None, after: CampaignText) -> list[Change]:
        changes: list[Change] = await self._check("changes", after.file, before, after)
        return changes

    async def _check(self, job: str, file: str, *arguments: Any) -> Any:
        if self._waiting >= MAX_WAITING:
            raise _overload_error()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise _overload_error() from error
        finally:
            self._waiting -= 1
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                answer = await _exchange(self._limits, job, arguments)
        except TimeoutError:
            answer = b""
        finally:
            self._places.release()
        # No answer means that the kernel ended the check.
        if not answer:
            raise InvalidDocumentError([_limit_problem(file, self._limits)])
        outcome, result = pickle.loads(answer)  # noqa: S301 - it comes from the process that was forked for this
        match outcome:
            case "done":
                return result
            case "refused":
                raise InvalidDocumentError(result)
            case "memory":
                raise InvalidDocumentError([_limit_problem(file, self._limits)])
            case _:
                raise RuntimeError(f"failed to check a document:\n{result}")


async def _exchange(limits: Limits, job: str, arguments: tuple[Any, ...]) -> bytes:
    """Run a check; return its answer, or nothing if it was ended.

    A check that is abandoned is killed.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        _fork(theirs)
    reader, writer = await asyncio.open_connection(sock=ours)
    pid = 0
    try:
        writer.write(pickle.dumps((limits, job, arguments)))
        try:
            pid = int.from_bytes(await reader.readexactly(PID_BYTES), "big")
        except asyncio.IncompleteReadError as error:
            # The machine has no room for another process.
            raise _overload_error() from error
        answer = await reader.read(-1)
        pid = 0
        return answer
    except ConnectionError:
        return b""
    finally:
        writer.close()
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


_LOCK = threading.Lock()
_warm: _WarmProcess | None = None


def _fork(connection: socket.socket) -> None:
    """Fork a check from the warm process, which is started on first use in 0.7 s."""
    global _warm
    with _LOCK:
        if _warm is not None and not _warm.is_alive():
            _warm.close()
            _warm = None
        _warm = _warm or _WarmProcess()
        _warm.fork(connection)


def _overload_error() -> OverloadedError:
    return OverloadedError("too many documents wait to be checked", retry_after=RETRY_SECONDS)


def _limit_problem(file: str, limits: Limits) -> Problem:
    allowed = (
        f"{limits.cpu_seconds:g} s of processor time, {limits.wall_seconds:g} s in all "
        f"and {limits.memory_bytes // 1024**2} MB of memory"
    )
    return Problem(
        file,
        1,
        "document",
        f"the check was ended: it may take {allowed}",
        "Make the document, its templates or its conditions smaller, or split the campaign",
    )
