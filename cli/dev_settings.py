"""Settings of the embedded servers, for `sojourn dev` and `sojourn check`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cli.dev_folder import DevFolder
from runtime.embedded.ports import LOOPBACK
from runtime.embedded.temporal import NAMESPACE

# They replace Temporal's own variables, which may name another server.
EMBEDDED_TEMPORAL: Final[Mapping[str, Any]] = {
    "temporal_address": f"{LOOPBACK}:7233",
    "temporal_namespace": NAMESPACE,
    "temporal_tls": False,
    "temporal_api_key": None,
    "temporal_grpc_meta": {},
}
EMBEDDED_MAIL: Final[Mapping[str, Any]] = {
    "smtp_host": LOOPBACK,
    "smtp_security": "none",
    "smtp_username": None,
    "smtp_password": None,
}
# Where the mails of the inbox come back: its recipients reply, and their servers report.
RECEIVING: Final[Mapping[str, Any]] = {"reply_domain": "mail.example.com", "smtp_return_domain": "bounces.example.com"}


@dataclass(frozen=True, slots=True)
class RunningDev:
    """A running `sojourn dev`. `secrets` are the hosts of each secret of webhooks."""

    folder: Path
    settings: Mapping[str, Any] = field(repr=False)
    secrets: Mapping[str, list[str]]


def read_running_dev(folder: DevFolder, run: Mapping[str, str]) -> RunningDev | None:
    """Read the settings of a run; None if its shell replaces an embedded server."""
    if not run.keys() >= {"database_url", "temporal_address", "smtp_port"}:
        return None
    own = {name: run[name] for name in ("database_url", "temporal_address", "smtp_port")}
    settings = {**folder.keys(), **EMBEDDED_TEMPORAL, **EMBEDDED_MAIL, **own}
    return RunningDev(folder.path, settings, json.loads(run["secrets"]))
