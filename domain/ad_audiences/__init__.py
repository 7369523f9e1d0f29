"""Audiences at ad platforms: who is wanted there, by which identifiers."""
