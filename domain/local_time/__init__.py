"""Local time: what wall clocks, weekdays and calendar periods of a zone mean as instants, also where clocks turn."""
