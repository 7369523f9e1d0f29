"""A small shop of web pages on this machine, which shows in-app messages."""
