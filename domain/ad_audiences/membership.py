"""The consent without which nobody is in an audience."""

from typing import Final

# Silence refuses, in every country.
ADS: Final = "ads"
