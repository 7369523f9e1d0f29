"""Segments: groups that people join and leave by conditions over their profiles."""
