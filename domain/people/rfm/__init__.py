"""Scores of buyers by recency, frequency and monetary value (RFM)."""
