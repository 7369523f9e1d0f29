"""May a message go, may it be handed over, and what became of it."""
