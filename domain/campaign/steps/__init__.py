"""The kinds of steps: one module each, listed in `actions` and `kinds`."""
