"""Templates are compiled and rendered in a thread beside the event loop.

A thread cannot be stopped: domain/templates bounds its work by count, so that each thread is free again within seconds.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from functools import partial
from typing import ParamSpec, TypeVar

from domain.errors import UnavailableError
from domain.people.account_view import may_read_account
from domain.templates.parts import CompiledBody
from domain.templates.template_sets import TemplateSet, load

# Python runs one thread at a time; with a second one, a cheap message need not wait for an expensive one.
RENDER_THREADS = 2
# For a message and those before it. A channel takes 50 s, settling 30 s, and an activity has 90.
RENDER_SECONDS = 8.0

_threads = ThreadPoolExecutor(RENDER_THREADS, thread_name_prefix="templates")

P = ParamSpec("P")
Result = TypeVar("Result")


async def run_in_thread(function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """Run a function in a thread, and return its result or raise its error."""
    return await asyncio.get_running_loop().run_in_executor(_threads, partial(function, *args, **kwargs))


class Templates:
    """The templates of a version, compiled for the first message.

    Compiling may take seconds, and happens before its claim: an attempt that dies meanwhile has sent nothing. The gate
    and ingest need no templates, so nothing is compiled under locks. `read_account` is False if none reads the account.
    """

    def __init__(self, files: Mapping[str, str], compiled: Mapping[str, CompiledBody]) -> None:
        """`files` are texts by name, `compiled` the bodies of those of MJML."""
        self._files = files
        self._bodies = compiled
        self.read_account = any(may_read_account(text) for text in files.values())
        self._compiling: asyncio.Task[dict[str, TemplateSet]] | None = None

    @property
    def are_compiled(self) -> bool:
        """Whether the templates are ready."""
        task = self._compiling
        return task is not None and task.done() and not task.cancelled() and task.exception() is None

    def get(self, name: str) -> TemplateSet:
        """Return one of the templates, which are compiled."""
        if self._compiling is None:
            raise RuntimeError("the templates are not compiled")
        return self._compiling.result()[name]

    async def compile(self) -> dict[str, TemplateSet]:
        """Compile the templates by name. Call this without a transaction."""
        if self._compiling is None:
            self._compiling = asyncio.create_task(self._compile(), context=Context())
        # The first caller may be cancelled; the others wait for the same task.
        return await asyncio.shield(self._compiling)

    async def _compile(self) -> dict[str, TemplateSet]:
        try:
            templates, _ = await run_in_thread(load, self._files, self._bodies)
        except BaseException:
            self._compiling = None
            raise
        self._files, self._bodies = {}, {}
        return templates


async def compile_in_time(templates: Templates) -> None:
    """Compile templates. Raises UnavailableError after a while; a retry waits on."""
    try:
        async with asyncio.timeout(RENDER_SECONDS):
            await templates.compile()
    except TimeoutError as error:
        raise UnavailableError(f"its templates were not compiled within {RENDER_SECONDS:.0f} s") from error
