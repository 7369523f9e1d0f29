"""The data plan: events as they are seen, and as they are declared."""
