"""Messages that a page or an app shows: their kinds, and the keys that all have."""
