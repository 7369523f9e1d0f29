"""The registry of calendars. A new one is a module beside this one, and here."""

from channels.calendars import cal
from channels.calendars.kind import CalendarKind

CALENDARS: tuple[CalendarKind, ...] = (cal.KIND,)
