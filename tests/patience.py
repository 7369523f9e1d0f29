"""How long tests wait. Apart from the harness, which imports all of the product."""

# How long something is waited for that comes, in seconds: on a busy machine, and after what was begun has timed out.
PATIENCE = 120.0
