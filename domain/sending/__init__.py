"""The gate, the claim and the outcome of messages."""
