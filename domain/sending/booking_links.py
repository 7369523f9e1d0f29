"""The links by which people book calls: the form knows them and the message."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

# The key of the metadata that names the message.
REFERENCE_KEY: Final = "sojourn_message"
# No longer text makes the link longer.
_MAX_CHARACTERS: Final = 200


def build_booking_query(traits: Mapping[str, Any], reference: str) -> str:
    """Return the query of a link of Cal.com: address, name, and the message.

    https://cal.com/help/bookings/prefill-booking-fields
    """
    whole, first, last = (_read(traits.get(name)) for name in ("name", "first_name", "last_name"))
    query = {
        "email": _read(traits.get("email")),
        "name": whole or f"{first} {last}".strip(),
        f"metadata[{REFERENCE_KEY}]": reference,
    }
    return urlencode({key: value[:_MAX_CHARACTERS] for key, value in query.items() if value}, errors="replace")


def _read(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
