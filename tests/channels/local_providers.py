"""Providers of the registry at a server on loopback."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from channels import registry
from channels.provider_kind import ProviderContext, ProviderKind
from domain.sending.delivery import ManagedProvider
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.reports import ReportReader


def put_at(
    monkeypatch: pytest.MonkeyPatch,
    kind: ProviderKind,
    open: Callable[[Any, ProviderContext], ManagedProvider],
    open_reader: Callable[[Any, ProviderSecrets], ReportReader | None] | None = None,
) -> None:
    """Open a kind of provider, and perhaps its reader, in another way, as long as the test lasts."""
    own = replace(kind, open=open, open_reader=open_reader or kind.open_reader)
    kinds = {one.name: one for one in registry.PROVIDERS} | {kind.name: own}
    monkeypatch.setattr(registry, "PROVIDERS", tuple(kinds.values()))
