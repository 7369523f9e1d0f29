"""The channels: one pure module each, listed in `kinds`."""
