"""Simulate campaigns over people in memory, by the rules of the engine."""
