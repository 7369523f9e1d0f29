"""Message templates: Liquid with front matter, proved when a campaign is published."""
