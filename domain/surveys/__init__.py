"""Surveys: questions, the way through them, and answers."""
