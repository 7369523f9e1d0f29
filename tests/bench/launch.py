"""The processes that are measured but are no command of the product: python -m tests.bench.launch NAME.

worker: `sojourn worker`, whose webhook channel accepts everything at once and notes when.
api PORT: `sojourn api`, which tells as well how long its event loop has stopped.
bare: a worker with the same options that knows nothing but workflows of timers and empty activities.
"""

import asyncio
import sys
import time
from os import O_APPEND, O_CREAT, O_WRONLY, environ, write
from os import open as open_file
from unittest.mock import patch

import provider_wiring
import worker
from channels.registry import open_provider
from domain.sending.delivery import Accepted, Delivery, Keyed, Outbound
from runtime.process import exit_now
from settings import Settings
from tests.bench import bare, loop_watch
from tests.bench.stack import HANDED_OVER


class NullProvider:
    """Takes every message at once. Each is a line of its file: the user and when, in nanoseconds."""

    name = "null"
    repeats = Keyed()

    def __init__(self) -> None:
        self._file = open_file(environ[HANDED_OVER], O_WRONLY | O_APPEND | O_CREAT)

    def account(self, message: Outbound) -> str:
        return self.name

    async def check(self) -> None:
        return None

    async def close(self) -> None:
        pass

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        write(self._file, f"{message.content['data']['user_id']} {time.time_ns()}\n".encode())
        return Accepted(None)


def main() -> None:
    match sys.argv[1]:
        case "worker":
            with patch.object(
                provider_wiring,
                "open_provider",
                lambda rule, context: NullProvider() if rule.channel == "webhook" else open_provider(rule, context),
            ):
                worker.main()
        case "api":
            loop_watch.run_api(int(sys.argv[2]))
        case "bare":
            asyncio.run(bare.serve(Settings()))


if __name__ == "__main__":
    main()
    exit_now(0)
