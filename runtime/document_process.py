"""python -m runtime.document_process FD: the warm process that forks a check each.

A check is a process of its own, forked in some milliseconds once all modules are loaded. It ends after its answer, or
when the kernel stops it at a limit: whatever a document makes Liquid, CEL or a pattern do, it blocks no thread of a
server and leaves nothing behind.
"""

import array
import gc
import os
import pickle
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from application.documents import CampaignText
from domain.campaign import publication
from domain.campaign.difference import Change, compare_versions
from domain.deployment_documents import deployment_document
from domain.document.yaml_source import YamlSource, read
from domain.errors import InvalidDocumentError
from domain.people.segment_document import check_segment_condition, check_segments
from domain.rehearsal.given_documents import check_documents
from domain.sending.previews import render_preview


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one check. `memory_bytes` are on top of the warm process.

    A campaign of 100 steps and 20 templates takes 0.2 s and some megabytes, one of 20 languages 0.5 s.
    """

    cpu_seconds: float = 5.0
    wall_seconds: float = 60.0
    memory_bytes: int = 512 * 1024 * 1024


# The first part of an answer. The second is the result, the problems, nothing for lack of memory, or the traceback of
# our own fault. The server logs it: this process may not write to files, and standard error may be one.
CheckOutcome = Literal["done", "refused", "memory", "failed"]
PID_BYTES: Final = 8

_WARM_UP = CampaignText(
    "key: warm\nname: Warm\nentry: {event: A, where: event.properties.a > 1}\n"
    "steps: [{id: a, send: {channel: email, template: a}}]\n",
    "warm.yaml",
    {"a.liquid": "---\nchannel: email\nsubject: a\nfrom: a@example.com\ntext: a\n---\n<p>{{ profile.traits.a }}</p>\n"},
)


def _check_campaign(text: CampaignText) -> publication.Published:
    return publication.check(text.source, text.file, text.templates, text.names)


def _compare(before: CampaignText | None, after: CampaignText) -> list[Change]:
    now = read(after.source, after.file)
    if before is None:
        return compare_versions(YamlSource(after.file, data={}), now, {}, after.templates)
    return compare_versions(read(before.source, before.file), now, before.templates, after.templates)


def _check_rules(kind: str, source: str, file: str) -> list[Any]:
    return list(deployment_document(kind).parse(source, file))


JOBS: Final[Mapping[str, Callable[..., Any]]] = {
    "campaign": _check_campaign,
    "rules": _check_rules,
    "segments": check_segments,
    "condition": check_segment_condition,
    "changes": _compare,
    "preview": render_preview,
    "backtest": check_documents,
}


def main() -> None:
    """Fork a check for each socket received, until the server is gone."""
    # The kernel reaps the checks.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Ctrl-C in a terminal reaches all processes of a server; this one ends with its server.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        _check_campaign(_WARM_UP)
        gc.freeze()
        while fds := _receive(control):
            if os.fork() == 0:
                control.close()
                _answer(socket.socket(fileno=fds[0]))
            os.close(fds[0])


def _receive(control: socket.socket) -> list[int]:
    """Receive the next check's file descriptor; none once the server has closed."""
    _, fds, _, _ = socket.recv_fds(control, 1, array.array("i").itemsize)
    return fds


def _answer(connection: socket.socket) -> None:
    """Run one check within its limits, answer, and end this process."""
    status = 1
    try:
        connection.sendall(os.getpid().to_bytes(PID_BYTES, "big"))
        with connection.makefile("rb") as stream:
            limits, job, arguments = pickle.load(stream)  # noqa: S301 - it comes from the process that started this one
        _limit(limits)
        connection.sendall(_outcome(job, arguments))
        status = 0
    except OSError:
        # The server has abandoned this check.
        status = 0
    finally:
        os._exit(status)


def _outcome(job: str, arguments: tuple[Any, ...]) -> bytes:
    """Run a check; return a pickled outcome with its data."""
    outcome: tuple[CheckOutcome, Any]
    try:
        return pickle.dumps(("done", JOBS[job](*arguments)))
    except InvalidDocumentError as error:
        outcome = "refused", error.problems
    except MemoryError:
        outcome = "memory", None
    except Exception:  # noqa: BLE001 - the server raises it
        outcome = "failed", traceback.format_exc()
    return pickle.dumps(outcome)


def _limit(limits: Limits) -> None:
    """Let the kernel end this process at its limits, by the signals' default action."""
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds)
    pages = Path("/proc/self/statm")
    if pages.exists():
        # Not on macOS, which does not enforce this limit either.
        size = int(pages.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + limits.memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
