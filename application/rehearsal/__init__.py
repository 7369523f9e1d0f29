"""Backtests: campaigns simulated over recorded history."""
