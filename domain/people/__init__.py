"""Who a person is, how they are reached, and how they refuse."""
