"""`sojourn` with three things more: a clock that jumps, e-mail APIs on this machine, and a defect of choice.

On SIGUSR1 the clock is put off by as many seconds as stand in the file that CLOCK names: what Python's `datetime` and
`time` say of the time of day. Monotonic clocks go on, as they do where somebody sets the time of a machine; PostgreSQL
and Temporal have clocks of their own, which stay.

The adapters of Postmark and Resend call the servers that the variables MAIL_API… name, in the place of the real ones.
"""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import time_machine

from channels import registry
from channels.email import postmark, resend
from channels.email.postmark import Postmark
from channels.email.resend import Resend
from channels.provider_kind import ProviderContext
from cli.main import main as run_command
from domain.sending.providers.postmark import PostmarkModel
from domain.sending.providers.resend import ResendModel
from tests.chaos.mutants import break_on_purpose

CLOCK, MUTANT, MAIL_API = "SOJOURN_CHAOS_CLOCK", "SOJOURN_CHAOS_MUTANT", "CHAOS_MAIL_API_"


class Clock:
    """The clock of this process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._travel: time_machine.travel | None = None

    def jump(self, *_: object) -> None:
        """Be off from now on by what the file says."""
        if self._travel is not None:
            self._travel.stop()
        self._travel = time_machine.travel(time.time() + float(self._file.read_text()), tick=True)
        self._travel.start()


def call_this_machine(keyless: str, keyed: str) -> None:
    """Have the adapters of Postmark and Resend call these servers."""

    def open_postmark(settings: PostmarkModel, context: ProviderContext) -> Postmark:
        token = context.secrets.for_host(settings.token, postmark.HOST, is_fixed=True)
        return Postmark(token, settings.stream, keyless)

    def open_resend(settings: ResendModel, context: ProviderContext) -> Resend:
        return Resend(context.secrets.for_host(settings.token, resend.HOST, is_fixed=True), keyed)

    kinds = {
        postmark.KIND.name: replace(postmark.KIND, open=open_postmark),
        resend.KIND.name: replace(resend.KIND, open=open_resend),
    }
    registry.PROVIDERS = tuple(kinds.get(kind.name, kind) for kind in registry.PROVIDERS)


def main() -> None:
    """Run `sojourn` with what the environment names."""
    # First of all: a signal that is not handled ends a process.
    if CLOCK in os.environ:
        signal.signal(signal.SIGUSR1, Clock(Path(os.environ[CLOCK])).jump)
    if MUTANT in os.environ:
        break_on_purpose(os.environ[MUTANT])
    call_this_machine(os.environ[f"{MAIL_API}keyless"], os.environ[f"{MAIL_API}keyed"])
    run_command()
