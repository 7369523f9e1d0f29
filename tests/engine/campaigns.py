"""Small campaigns that the engine's tests run."""

CART = """
key: cart
name: Cart
entry:
  event: Cart Abandoned
  where: event.properties.value > 100
  key: event.properties.cart_id
exit:
  - event: Order Completed
    where: event.properties.cart_id == entry.properties.cart_id
steps:
  - {id: cool-off, delay: 30m}
  - {id: nudge, send: {channel: email, template: note, on_capped: wait, expires: 5d}}
"""

REACTION = """
key: reaction
name: Reaction
entry: {event: Signed Up}
exit: [{event: Account Closed}]
steps:
  - {id: hello, send: {channel: email, template: note}}
  - id: clicked
    wait_for: {event: Link Clicked, where: event.properties.kind == "good", timeout: 2d}
    on_event: [{exit: engaged}]
    on_timeout:
      - id: who
        branch:
          - when: profile.traits.plan == "team" && journey.messages.hello == "ignored"
            do: [{id: team, send: {channel: email, template: note}}]
        otherwise: [{id: single, delay: 1h}]
  - {id: goodbye, send: {channel: email, template: note}}
"""

PROMOTION = """
key: promotion
name: Promotion
entry: {event: Price Dropped}
steps:
  - {id: promo, send: {channel: email, template: note}}
"""

ONE_A_DAY = "rules: [{name: daily, limit: 1, per: 1d}]"

GREETING = """
key: greeting
name: Greeting
entry: {event: Signed Up}
steps:
  - {id: rest, delay: DELAY}
  - {id: mail, send: {channel: email, template: note}}
  - {id: after, set_stage: greeted}
"""

REMINDERS = """
key: reminders
name: Reminders
entry: {event: Invoice Due}
exit: [{event: Account Closed}]
steps:
  - id: remind
    repeat: {every: 1d, UNTIL}
    do:
      - {id: mail, send: {channel: email, template: note}}
  - {id: done, set_stage: reminded}
"""

# The arms are named so that the database, which keeps a mapping by the length of its names, has them the other way.
TRIAL = """
key: trial
name: Trial
entry: {event: Trial Started}
steps:
  - id: offer
    split: {seed: offer-2026, arms: {discounted: 45, plain: 45, none: 10}}
    discounted: [{id: mail-discount, send: {channel: email, template: note}}]
    plain: [{id: mail-plain, send: {channel: email, template: note}}]
    none: []
  - {id: rest, delay: 1h}
  - id: which
    branch:
      - {when: journey.arms.offer == "discounted", do: [{id: discounted, set_stage: discounted}]}
      - {when: journey.arms.offer == "plain", do: [{id: plain, set_stage: plain}]}
    otherwise: [{id: none, set_stage: none}]
  - {id: again, delay: 1h}
"""

RESTS = """
key: rests
name: Rests
entry: {event: Signed Up}
steps:
  - {id: first, delay: 1h}
  - {id: second, delay: 2h}
  - {id: heard, wait_for: {event: Link Clicked, timeout: 1d}}
  - {id: third, delay: 3h}
"""

LOYALTY = """
key: loyalty
name: Loyalty
entry: {event: Order Completed}
exit: [{event: Account Closed}]
steps:
  - id: points
    update_profile:
      tier: silver
      newsletter: null
      points: {cel: profile.traits.points + entry.properties.value}
      since: {cel: journey.entered_at}
      tags: [buyer, "2026"]
      bad: {cel: profile.traits.nowhere}
  - {id: loyal, set_stage: loyal}
  - id: which
    branch:
      - when: profile.traits.tier == "silver" && profile.traits.points == 52 && profile.stage == "loyal"
        do: [{id: tell, emit_event: {event: Became Loyal, properties: {points: {cel: profile.traits.points}}}}]
"""
