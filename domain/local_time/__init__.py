"""Local times, weekdays and calendar periods as instants, across clock changes."""
