"""The registry of kinds of in-app messages. A new one is a module and a line."""

from collections.abc import Mapping
from typing import Final

from domain.channels.in_app.banner import Banner
from domain.channels.in_app.card import Card
from domain.channels.in_app.custom import Custom
from domain.channels.in_app.message_kind import InAppKind
from domain.channels.in_app.modal import Modal
from domain.channels.in_app.slot import Slot
from domain.channels.in_app.survey import InAppSurvey
from domain.channels.in_app.tooltip import Tooltip
from domain.channels.in_app.tour import Tour

_KINDS: tuple[InAppKind, ...] = (
    Banner(),
    Modal(),
    Tooltip(),
    Tour(),
    Card(),
    InAppSurvey(),
    Slot(),
    Custom(),
)
IN_APP_KINDS: Final[Mapping[str, InAppKind]] = {kind.name: kind for kind in _KINDS}
