"""Providers of the registry at a server on loopback."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from channels import registry
from channels.provider_kind import ProviderContext, ProviderKind
from domain.sending.delivery import ManagedProvider


def put_at(
    monkeypatch: pytest.MonkeyPatch, kind: ProviderKind, open: Callable[[Any, ProviderContext], ManagedProvider]
) -> None:
    """Open a kind of provider in another way, as long as the test lasts."""
    kinds = {one.name: one for one in registry.PROVIDERS} | {kind.name: replace(kind, open=open)}
    monkeypatch.setattr(registry, "PROVIDERS", tuple(kinds.values()))
