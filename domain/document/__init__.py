"""Reading documents: one YAML dialect for campaigns, caps and templates, with the line of everything in it."""
