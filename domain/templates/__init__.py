"""Message templates: Liquid with front matter, checked at publication."""
