"""What an experiment says: estimates, bounds, checks and the verdict, from sums alone."""
