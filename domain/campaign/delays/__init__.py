"""The kinds of delay: one module each, listed in `kinds`."""
