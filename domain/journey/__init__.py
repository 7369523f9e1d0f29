"""A journey: who enters and whose ends, and the machine that says what comes next."""
