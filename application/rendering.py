"""Templates are compiled and rendered beside the event loop, which serves everybody meanwhile.

A thread cannot be stopped: what it may do is bounded by count, in domain/templates, so that each of these is free again
within seconds.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from domain.templates.template_sets import TemplateSet, load

# Python computes in one thread at a time; with a second one, a message need not wait for another's that costs much.
RENDER_THREADS = 2
# For a message and those before it. A channel takes 50 s, settling 30 s, and an activity has 90.
RENDER_SECONDS = 8.0

_threads = ThreadPoolExecutor(RENDER_THREADS, thread_name_prefix="templates")

P = ParamSpec("P")
Result = TypeVar("Result")


async def beside_the_loop(function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """What the function returns, worked out in a thread; what it raises is raised."""
    return await asyncio.get_running_loop().run_in_executor(_threads, partial(function, *args, **kwargs))


class Templates:
    """The templates of a version, compiled when the first message needs them, which may take seconds.

    That is before its claim: an attempt that dies meanwhile has sent nothing. The gate and the taking in of events need
    none, so that nothing is compiled under locks.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._compiling: asyncio.Task[dict[str, TemplateSet]] | None = None

    @property
    def are_compiled(self) -> bool:
        """Whether nothing is to be waited for."""
        task = self._compiling
        return task is not None and task.done() and not task.cancelled() and task.exception() is None

    def get(self, name: str) -> TemplateSet:
        """Return one of the templates, which are compiled."""
        if self._compiling is None:
            raise RuntimeError("the templates are not compiled")
        return self._compiling.result()[name]

    async def compile(self) -> dict[str, TemplateSet]:
        """The templates by name. To be called without a transaction."""
        if self._compiling is None:
            self._compiling = asyncio.create_task(self._compile())
        # The first to ask may be cancelled; the others wait for the same.
        return await asyncio.shield(self._compiling)

    async def _compile(self) -> dict[str, TemplateSet]:
        try:
            templates, _ = await beside_the_loop(load, self._files)
        except BaseException:
            self._compiling = None
            raise
        self._files = {}
        return templates
