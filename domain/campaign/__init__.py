"""The campaign document: what authors write, how it is proved, and the plan and rules that it compiles to."""
