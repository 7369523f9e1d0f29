"""The users, in the order of display: importing this package casts them."""

from cli.demo.cast import SCENARIOS
from cli.demo.scenarios import delivered, overtaken, refused, reported

__all__ = ["SCENARIOS", "delivered", "overtaken", "refused", "reported"]
