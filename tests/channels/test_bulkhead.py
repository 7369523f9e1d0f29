"""A receiver that does not answer holds some of the places that a channel has, and never all of them."""

import asyncio
from collections import Counter
from contextlib import ExitStack

import pytest

from channels import bulkhead
from channels.bulkhead import MAX_WAITING, MAX_WAITING_IF_SILENT, Bulkhead, Call
from channels.webhook.http import WebhookHttp
from domain.sending.delivery import Accepted, Delivery, Unavailable
from tests.channels.messages import hook
from tests.channels.servers import SILENCE, Receiver, answer, let_time_pass, listening
from tests.channels.test_webhook import SECRET
from tests.harness import PATIENCE, looks

MANY = 3 * MAX_WAITING


def kinds(deliveries: list[Delivery]) -> Counter[str]:
    return Counter(one.reason if isinstance(one, Unavailable) else type(one).__name__ for one in deliveries)


async def test_one_receiver_that_is_silent_leaves_room_for_others_and_is_back_with_its_first_answer() -> None:
    silent, other = Receiver(SILENCE), Receiver()
    channel = WebhookHttp([SECRET], True)
    async with listening(silent.talk) as port, listening(other.talk) as other_port:
        url = f"http://127.0.0.1:{port}/hook"

        async def deliver(count: int, to: str = url) -> list[Delivery]:
            return list(await asyncio.gather(*(channel.deliver(hook(to), "") for _ in range(count))))

        async def until_asked(times: int) -> None:
            async for is_last in looks(PATIENCE):
                if len(silent.requests) == times:
                    break
                assert not is_last

        first = asyncio.create_task(deliver(MANY))
        other_url = f"http://127.0.0.1:{other_port}/hook"
        assert await deliver(MAX_WAITING, other_url) == [Accepted(None)] * MAX_WAITING
        assert not first.done()
        await until_asked(MAX_WAITING)
        let_time_pass()
        assert kinds(await first) == {"Ambiguous": MAX_WAITING, "receiver_busy": MANY - MAX_WAITING}
        again = asyncio.create_task(deliver(MANY))
        await until_asked(MAX_WAITING + MAX_WAITING_IF_SILENT)
        let_time_pass()
        assert kinds(await again) == {"Ambiguous": MAX_WAITING_IF_SILENT, "receiver_busy": MANY - MAX_WAITING_IF_SILENT}
        silent.reply = answer(503)
        assert kinds(await deliver(1)) == {"http_503": 1}
        silent.reply = answer(204)
        assert await deliver(MAX_WAITING) == [Accepted(None)] * MAX_WAITING


def begun(counted: Bulkhead) -> tuple[ExitStack, Call | None]:
    """A call that is under way until its stack is closed."""
    stack = ExitStack()
    return stack, stack.enter_context(counted.call("slow"))


def test_who_answers_is_never_in_the_way() -> None:
    """However many calls are under way: an answer to one says that the others will be answered as well."""
    counted = Bulkhead()
    waiting = [begun(counted) for _ in range(MAX_WAITING)]
    assert begun(counted)[1] is None
    for _ in range(20):
        stack, call = waiting.pop()
        assert call is not None
        call.is_answered = True
        stack.close()
        waiting += [begun(counted) for _ in range(MAX_WAITING)]
        assert all(call is not None for _, call in waiting)


def test_a_call_that_fails_among_others_that_are_answered_says_nothing() -> None:
    counted = Bulkhead()
    failing, _ = begun(counted)
    answered, call = begun(counted)
    assert call is not None
    call.is_answered = True
    answered.close()
    failing.close()
    assert all(begun(counted)[1] is not None for _ in range(MAX_WAITING))


def test_what_it_knows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulkhead, "MAX_KNOWN", 100)
    counted = Bulkhead()
    for number in range(1_000):
        with counted.call(f"dead-{number}"):
            pass
    assert len(counted._receivers) == 100
    for number in range(1_000):
        with counted.call(f"alive-{number}") as call:
            assert call is not None
            call.is_answered = True
    assert len(counted._receivers) < 101
