"""Who somebody is, how they are reached, and how they refuse."""
