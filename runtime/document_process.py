"""python -m runtime.document_process FD: the warm process from which each check of a document is forked.

A check is a process of its own, forked from this one once all modules are loaded, in some milliseconds. It ends when it
has answered, or when the kernel ends it for going beyond a limit: whatever a document makes Liquid, CEL or a pattern
do, no thread of a server is kept by it, and nothing of it stays behind.
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
from domain.document.yaml_source import YamlSource, read
from domain.errors import InvalidDocumentError
from domain.sending.caps_document import parse_caps


@dataclass(frozen=True, slots=True)
class Limits:
    """What one check may take. `memory_bytes` come on top of what the warm process has.

    A campaign of 100 steps and 20 templates takes 0.2 s and some megabytes, one of 20 languages 0.5 s.
    """

    cpu_seconds: float = 5.0
    wall_seconds: float = 60.0
    memory_bytes: int = 512 * 1024 * 1024


# How an answer begins. Behind it: the result, the problems, nothing for want of memory, or the traceback of a fault of
# ours. It is the server that logs it: here standard error may be a file, and none can be written to.
CheckOutcome = Literal["done", "refused", "memory", "failed"]
PID_BYTES: Final = 8

_WARM_UP = CampaignText(
    "key: warm\nname: Warm\nentry: {event: A, where: event.properties.a > 1}\n"
    "steps: [{id: a, send: {channel: email, template: a}}]\n",
    "warm.yaml",
    {"a.liquid": "---\nchannel: email\nsubject: a\nfrom: a@example.com\ntext: a\n---\n<p>{{ profile.traits.a }}</p>\n"},
)


def _campaign(text: CampaignText) -> publication.Published:
    return publication.check(text.source, text.file, text.templates)


def _changes(before: CampaignText | None, after: CampaignText) -> list[Change]:
    now = read(after.source, after.file)
    if before is None:
        return compare_versions(YamlSource(after.file, data={}), now, {}, after.templates)
    return compare_versions(read(before.source, before.file), now, before.templates, after.templates)


JOBS: Final[Mapping[str, Callable[..., Any]]] = {"campaign": _campaign, "caps": parse_caps, "changes": _changes}


def main() -> None:
    """Fork a check for each socket that comes, until the server that started this process is gone."""
    # Checks are not waited for: the kernel forgets them when they end.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Ctrl-C in a terminal reaches all processes of a server; this one leaves with its server.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        _campaign(_WARM_UP)
        gc.freeze()
        while fds := _receive(control):
            if os.fork() == 0:
                control.close()
                _answer(socket.socket(fileno=fds[0]))
            os.close(fds[0])


def _receive(control: socket.socket) -> list[int]:
    """The file descriptor of the next check; none once the other side is closed."""
    _, fds, _, _ = socket.recv_fds(control, 1, array.array("i").itemsize)
    return fds


def _answer(connection: socket.socket) -> None:
    """Do one check within its limits, answer, and end this process."""
    status = 1
    try:
        connection.sendall(os.getpid().to_bytes(PID_BYTES, "big"))
        with connection.makefile("rb") as stream:
            limits, job, arguments = pickle.load(stream)  # noqa: S301 - it comes from the process that started this one
        _limit(limits)
        connection.sendall(_outcome(job, arguments))
        status = 0
    except OSError:
        # The server has given this check up.
        status = 0
    finally:
        os._exit(status)


def _outcome(job: str, arguments: tuple[Any, ...]) -> bytes:
    """Do a check: an Outcome and what belongs to it, pickled."""
    outcome: tuple[CheckOutcome, Any]
    try:
        return pickle.dumps(("done", JOBS[job](*arguments)))
    except InvalidDocumentError as error:
        outcome = "refused", error.problems
    except MemoryError:
        outcome = "memory", None
    except Exception:  # noqa: BLE001 - told to the server, which raises it
        outcome = "failed", traceback.format_exc()
    return pickle.dumps(outcome)


def _limit(limits: Limits) -> None:
    """Have the kernel end this process for what goes beyond: the signals keep their default action."""
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds)
    pages = Path("/proc/self/statm")
    if pages.exists():
        # Not on macOS, which does not keep this limit either.
        size = int(pages.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + limits.memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
