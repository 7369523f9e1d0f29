"""Countries of client addresses, from a local database in MaxMind's format.

Source: the MaxMind DB specification 2.0. MaxMind, DB-IP and others offer such files of countries or cities.
"""

from pathlib import Path

import maxminddb


class Countries:
    """Finds the country of an address. Without a file, of none."""

    def __init__(self, file: Path | None) -> None:
        """Open the file. Raises maxminddb.InvalidDatabaseError."""
        self._reader = None if file is None else maxminddb.open_database(str(file))

    def find(self, client: str) -> str | None:
        """Return the ISO code of a client's country; None if it is unknown."""
        if self._reader is None:
            return None
        try:
            # The unit of limits: an address of IPv4, or a /64.
            found = self._reader.get(client.partition("/")[0])
        except ValueError:
            return None
        country = found.get("country") if isinstance(found, dict) else None
        code = country.get("iso_code") if isinstance(country, dict) else None
        return code if isinstance(code, str) else None
