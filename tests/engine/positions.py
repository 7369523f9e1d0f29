"""Requests whose answers leave the journey's row as it is: its last move is never below zero."""

from domain.journey.position import NextPositions

UNRECORDED = NextPositions(0, (None,))
UNRECORDED_FORK = NextPositions(0, (None, None, None, None))
UNRECORDED_DELAY = NextPositions(0, (None, None, None))
