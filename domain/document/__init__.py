"""Reading documents: one YAML dialect for campaigns, caps and templates."""
