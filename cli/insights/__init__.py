"""Models of orders and their value, which need the extra `insights`."""
