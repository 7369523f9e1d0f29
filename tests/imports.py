"""Imported before all others, this spares the imports that follow a search for garbage: what they make stays.

It takes a quarter of the time in which an API is imported. Who imports this collects garbage again afterwards.
"""

import gc

gc.disable()
