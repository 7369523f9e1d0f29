"""People: identity, addresses, consent, traits."""
