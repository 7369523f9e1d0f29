"""The kinds of steps: one module each, listed in `actions` (steps that do one thing) and `kinds` (all of them)."""
