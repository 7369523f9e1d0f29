"""The campaigns of the chaos. Every entry has a `ref` of its own, which is the entry key and stands in each message."""

from dataclasses import dataclass
from typing import Literal

Channel = Literal["webhook", "email", "in_app"]
Category = Literal["marketing", "transactional"]

CAP = 3
CAPS = f"rules: [{{name: marketing, limit: {CAP}, per: 1d, categories: [marketing]}}]"


# The step that sends, by its channel.
STEPS: dict[Channel, str] = {"webhook": "hook", "email": "mail", "in_app": "tip"}
# What every second edition has otherwise: waits that are longer, and two steps more on the way to the webhook. Whoever
# rests at one of these stays on the version that has it.
LONGER = ("3s", "4s")
HOOK_STEP = "  - {id: hook,"
DETOUR = "  - {id: aside, set_stage: engaged}\n  - {id: rest, delay: 1s}\n"


@dataclass(frozen=True, slots=True)
class Campaign:
    """One as the model has to know it: what starts it, what it sends on which channel, and its document's steps.

    One that `has_choice` has one step for all of its channels.
    """

    key: str
    entry: str
    sends: tuple[Channel, ...]
    category: Category
    steps: str
    exit: str | None = None
    has_choice: bool = False

    def source(self, edition: int = 1) -> str:
        """The document; another edition is another version of the same, which sends the same."""
        steps = self.steps if edition % 2 else self.steps.replace(*LONGER).replace(HOOK_STEP, DETOUR + HOOK_STEP)
        exits = f"exit: [{{event: {self.exit}}}]\n" if self.exit else ""
        return (
            f"key: {self.key}\nname: {self.key} {edition}\n"
            f"entry: {{event: {self.entry}, key: event.properties.ref, reentry: never}}\n"
            f"{exits}steps:\n{steps}"
        )

    def templates(self, hook_url: str) -> dict[str, str]:
        """The templates that its steps name."""
        made = {"webhook": HOOK.replace("URL", hook_url), "email": MAIL, "in_app": TIP}
        if self.has_choice:
            return {f"tip.{channel}.liquid": made[channel] for channel in self.sends}
        return {f"{STEPS[channel]}.liquid": made[channel] for channel in self.sends}


HOOK = """---
channel: webhook
url: URL
---
campaign: '{{ campaign.key }}'
user: '{{ profile.user_id }}'
ref: '{{ entry.properties.ref }}'
"""
MAIL = """---
channel: email
subject: "{{ campaign.key }} {{ profile.user_id }} {{ entry.properties.ref }}"
from: Example Shop <hello@example.com>
text: "{{ entry.properties.ref }}"
---
<p>{{ entry.properties.ref }}
{% if unsubscribe_url %}<a href="{{ unsubscribe_url }}">Unsubscribe</a>{% endif %}</p>
"""
TIP = """---
channel: in_app
kind: banner
---
text: "{{ campaign.key }} {{ profile.user_id }} {{ entry.properties.ref }}"
"""

ORDERED, SEEN = "Order Completed", "Offer Seen"

# Ended by its exit event or by hand at any moment of its few seconds, or by what it waits for. Its journeys are taken
# from version to version, back to earlier ones as well.
CART = Campaign(
    "cart",
    "Cart Abandoned",
    ("webhook", "email"),
    "marketing",
    """  - {id: cool-off, delay: {for: 1s..3s}}
  - {id: hook, send: {channel: webhook, template: hook, category: marketing}}
  - id: seen
    wait_for: {event: Offer Seen, timeout: 3s}
    on_event: [{exit: engaged}]
  - {id: mail, send: {channel: email, template: mail, category: marketing}}
""",
    exit=ORDERED,
)
RECEIPT = Campaign(
    "receipt",
    "Paid",
    ("email",),
    "transactional",
    "  - {id: mail, send: {channel: email, template: mail, category: transactional}}\n",
)
# Paused and resumed. Its journeys migrate while it is paused, too.
PULSE = Campaign(
    "pulse",
    "Visited",
    ("in_app", "webhook"),
    "transactional",
    """  - {id: breath, delay: 1s}
  - {id: tip, send: {channel: in_app, template: tip, category: transactional, expires: 1d}}
  - {id: hook, send: {channel: webhook, template: hook, category: transactional}}
""",
)
# Stopped with exit, published and started again, and taken to other versions in between. Nobody leaves it otherwise.
TIDE = Campaign(
    "tide",
    "Joined",
    ("in_app", "webhook"),
    "transactional",
    """  - {id: breath, delay: 1s}
  - {id: tip, send: {channel: in_app, template: tip, category: transactional, expires: 1d}}
  - {id: hook, send: {channel: webhook, template: hook, category: transactional}}
  - {id: stay, wait_for: {event: Left, timeout: 1d}}
""",
)
# Ended as the first, while its message is in the inbox. Pages are given as many as the cap allows.
BASKET = Campaign(
    "basket",
    "Basket Filled",
    ("in_app",),
    "marketing",
    """  - {id: tip, send: {channel: in_app, template: tip, category: marketing, expires: 1d}}
  - {id: stay, delay: 5s}
""",
    exit=ORDERED,
)
# A mail goes to those whose page has not shown the message in time.
NUDGE = Campaign(
    "nudge",
    "Nudged",
    ("in_app", "email"),
    "transactional",
    """  - id: tip
    send:
      channel: [in_app, email]
      template: tip
      category: transactional
      expires: 1d
      fallback: {after: 3s, unless: opened}
""",
    has_choice=True,
)
# Nothing but a message under the cap.
LETTER = Campaign(
    "letter",
    "Subscribed",
    ("email",),
    "marketing",
    "  - {id: mail, send: {channel: email, template: mail, category: marketing}}\n",
)
# The shortest way through the whole service, by which its recovery is measured.
CANARY = Campaign(
    "canary",
    "Canary",
    ("webhook",),
    "transactional",
    "  - {id: hook, send: {channel: webhook, template: hook, category: transactional}}\n",
)
CAMPAIGNS = {campaign.key: campaign for campaign in (CART, RECEIPT, PULSE, TIDE, BASKET, NUDGE, LETTER, CANARY)}
BY_ENTRY = {campaign.entry: campaign for campaign in CAMPAIGNS.values()}
