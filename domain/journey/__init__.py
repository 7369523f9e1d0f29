"""Journeys: their entry and end, and the machine that decides the next step."""
