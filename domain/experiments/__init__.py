"""The statistics of experiments, from sums alone."""
