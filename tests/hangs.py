"""A limit for each test: one that hangs fails, and its traceback says where."""

import asyncio
import faulthandler
import os
import signal
from collections.abc import Generator
from types import FrameType

import pytest

from tests.proofs import rounds

# For the setup, the call and the teardown of a test each, in seconds. A test that `takes_long` may take twice as long.
LIMIT: float = rounds(300, 4 * 3_600)
# A process that still hangs so many seconds later is ended with the stacks of its threads: its loop is blocked, or
# waits for what cannot be cancelled.
GRACE = 60.0
_RUN = asyncio.BaseEventLoop.run_until_complete.__code__
# The process's own: while a test runs, what it writes is captured.
_STDERR: pytest.StashKey[int] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_STDERR] = os.dup(2)


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[_STDERR])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _limit(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _limit(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _limit(item))


def _limit(item: pytest.Item) -> Generator[None, object, object]:
    """Run a phase of a test. Raises TimeoutError from where it was when its time was over."""
    seconds = LIMIT * (2 if item.get_closest_marker("takes_long") else 1)
    error = TimeoutError(f"not over after {seconds:g} s")
    is_over = False

    def interrupt(_number: int, frame: FrameType | None) -> None:
        nonlocal is_over
        is_over = True
        if (task := _find_task(frame)) is None:
            raise error
        # A loop that waits for a file or a timer is woken.
        task.get_loop().call_soon_threadsafe(task.cancel)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(seconds + GRACE, file=item.config.stash[_STDERR], exit=True)
    try:
        result = yield
    except BaseException as cause:
        if is_over and cause is not error:
            raise error from cause
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)
    if is_over:
        # It has caught its cancellation.
        raise error
    return result


def _find_task(frame: FrameType | None) -> "asyncio.Future[object] | None":
    """Return what an event loop runs for this frame, if there is one."""
    while frame is not None and frame.f_code is not _RUN:
        frame = frame.f_back
    return None if frame is None else frame.f_locals["future"]
