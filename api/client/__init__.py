"""The routes of pages and apps, for one person each."""
