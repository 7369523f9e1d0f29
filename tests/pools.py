"""Pools that are as patient as the tests."""

import pytest

from tests.patience import PATIENCE


@pytest.fixture(autouse=True)
def patient_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many connections that are opened at once take longer than 2 s on a busy machine."""
    monkeypatch.setattr("store.database.CONNECTION_TIMEOUT", PATIENCE)
