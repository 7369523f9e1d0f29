"""What the exit status of a command says."""

DONE = 0
REFUSED = 1  # or something is wrong with what was given
USAGE = 2
UNAVAILABLE = 3  # no answer, or not now
CHANGES = 4  # of plan --exit-code
OUTDATED = 5  # what was planned is not what would be done now: plan again
INTERRUPTED = 130
