"""Calls of the Segment tracking API, decoded and checked."""
