"""The campaign document: the author's form, its checks, its plan and its rules."""
