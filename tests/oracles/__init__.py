"""Libraries of other people, in an environment of their own, and what they answer."""
