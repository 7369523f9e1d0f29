"""The server of the application: protocol, common headers, and a bounded shutdown."""

import errno
import faulthandler
import resource
import signal
import socket
from types import FrameType
from typing import Any, Final, NoReturn

import structlog
import uvicorn
from starlette.types import ASGIApp

from api.http_protocol import KEEP_ALIVE_SECONDS, protocol
from domain.errors import ConflictError, InvalidRequestError
from settings import Settings

_log = structlog.get_logger(__name__)

# How long open requests may take during shutdown. Seconds.
GRACE_SECONDS: Final = 10
# When the process ends in any case. Docker waits as long (docker-compose.yml). Seconds.
STOP_SECONDS: Final = 20
# Files besides client connections: the database's, logs, metrics.
_OTHER_FILES: Final = 256
_HSTS: Final = "max-age=31536000"


def server_options(settings: Settings) -> dict[str, Any]:
    """Return uvicorn's options for this application."""
    return {
        "http": protocol(settings.max_connections),
        "ws": "none",
        "log_config": None,
        # Paths contain user ids and unsubscribe tokens.
        "access_log": False,
        "server_header": False,
        "headers": answer_headers(settings),
        # It would trust X-Forwarded-For of any process of this machine; api/client_address.py reads it.
        "proxy_headers": False,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
    }


def answer_headers(settings: Settings) -> list[tuple[str, str]]:
    """Return the headers of every answer, to which a page may add its own."""
    headers = [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        # Paths contain user ids and tokens.
        ("Referrer-Policy", "no-referrer"),
    ]
    if settings.public_url.startswith("https:"):
        headers.append(("Strict-Transport-Security", _HSTS))
    return headers


def serve(app: ASGIApp, settings: Settings, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, or until the start fails; then raise SystemExit.

    Raises ConflictError if the address is taken, InvalidRequestError if it is invalid.
    """
    # At the end uvicorn raises its signal again: without a handler the traces would be lost.
    signal.signal(signal.SIGTERM, _leave)
    options = server_options(_limit_connections(settings))
    server = _Server(uvicorn.Config(app, host=host, port=port, timeout_graceful_shutdown=GRACE_SECONDS, **options))
    server.run(bind(host, port))
    if not server.started:
        raise SystemExit(1)


def bind(host: str, port: int) -> list[socket.socket]:
    """Bind a socket to each address of a host, without listening yet.

    Raises ConflictError if the port is taken, InvalidRequestError if the address is not of this machine.
    """
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            opened = socket.socket(family, kind, protocol)
            bound.append(opened)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind(address)
    except OSError as error:
        for opened in bound:
            opened.close()
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(
                f"port {port} of {host} is taken by another process: end that one, or choose another port by "
                "SOJOURN_API_PORT or --port"
            ) from error
        raise InvalidRequestError(
            f"the API cannot listen on {host}:{port}, {error.strerror}: correct SOJOURN_API_HOST and SOJOURN_API_PORT, "
            "or --host and --port"
        ) from error
    return bound


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _limit_connections(settings: Settings) -> Settings:
    """Limit connections to the number of files that the process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = _OTHER_FILES + settings.database_pool_size
    wanted = settings.max_connections + others
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft >= wanted:
        return settings
    most = max(1, soft - others)
    _log.warning(
        "database connections reduced",
        remedy="SOJOURN_MAX_CONNECTIONS exceeds the limit of open files: raise `ulimit -n`",
        max_connections=settings.max_connections,
        open_files=soft,
        connections=most,
    )
    return settings.model_copy(update={"max_connections": most})


class _Server(uvicorn.Server):
    """Ends within STOP_SECONDS of the first signal, even if a request blocks."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            # A thread that needs no Python prints where the process hangs, and ends it with status 1.
            faulthandler.dump_traceback_later(STOP_SECONDS, exit=True)
        super().handle_exit(sig, frame)
