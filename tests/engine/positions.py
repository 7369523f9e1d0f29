"""Requests whose answers leave the journey's row as it is: its last move is never below zero."""

from domain.journey.position import Outlook

UNRECORDED = Outlook(0, (None,))
UNRECORDED_FORK = Outlook(0, (None, None, None, None))
UNRECORDED_DELAY = Outlook(0, (None, None, None))
