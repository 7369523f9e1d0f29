"""The whole service under faults: what must have happened, from what was acknowledged, held against what did."""
