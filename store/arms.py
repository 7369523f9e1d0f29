"""Which decisions assign an arm to a journey."""

# As the index `decisions_split` has it: only by the same text does the planner use that.
IS_ARM = "kind = 'split'"
