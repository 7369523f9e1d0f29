"""The messages that caps count: expressions for statements that read `profiles`."""

from typing import Final

# The caps in force, as `caps`, and how far the longest looks back.
CAPS: Final = """
LEFT JOIN (
  SELECT rules, (SELECT max(greatest((rule ->> 'window')::float8, (rule ->> 'min_gap')::float8))
                 FROM jsonb_array_elements(rules) AS rule) * interval '1 second' AS longest
  FROM documents WHERE kind = 'frequency-caps' ORDER BY version DESC LIMIT 1
) AS caps ON true
"""
# As far as caps look back, and the pace of a person (`domain.sending.policy.WEEKLY_PACE`).
_LOOK_BACK = "greatest(caps.longest, CASE WHEN profiles.preferences ->> 'pace' = 'weekly' THEN interval '7 days' END)"
# A message that may still be handed over counts as if it were sent now; one of the inbox from when it was given.
LEDGER: Final = f"""
COALESCE((
  SELECT jsonb_agg(jsonb_build_object(
    'at', CASE WHEN messages.state IN ('reserved', 'sending')
               THEN greatest(messages.at, least(messages.expires_at, %(at)s)) ELSE COALESCE(given_at, messages.at) END,
    'channel', channel, 'category', category, 'priority', priority, 'campaign', messages.campaign_key))
  FROM messages
  WHERE messages.profile_id = profiles.id AND is_counted
    AND messages.state IN ('reserved', 'sending', 'sent', 'unknown')
    AND (messages.at > %(at)s - {_LOOK_BACK} OR given_at > %(at)s - {_LOOK_BACK}
         OR messages.state IN ('reserved', 'sending') AND messages.expires_at > %(at)s - {_LOOK_BACK})
  ), '[]')
"""  # noqa: S608 -- a constant of this module
