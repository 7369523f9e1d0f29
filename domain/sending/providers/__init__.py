"""The kinds of providers as the document has them: their settings, without I/O."""
