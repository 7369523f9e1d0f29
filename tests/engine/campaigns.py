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
