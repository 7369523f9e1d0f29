"""The consent that an audience needs."""

from typing import Final

# Silence refuses, in every country.
ADS: Final = "ads"
