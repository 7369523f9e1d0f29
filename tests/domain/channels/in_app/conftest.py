"""The channel is in the registry while it has no provider."""

import pytest

from domain.channels.in_app.channel import InApp
from domain.channels.kinds import CHANNELS


@pytest.fixture(autouse=True)
def in_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHANNELS, "in_app", InApp())
