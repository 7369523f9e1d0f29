"""The kinds of triggers: one module each, listed in `kinds`."""
