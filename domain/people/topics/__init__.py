"""Topics: what people subscribe to, channel by channel, and what silence means."""
