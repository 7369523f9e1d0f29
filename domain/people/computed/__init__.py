"""Computed traits: values that a person's events add up to."""
