"""The phone numbers of people as addresses, by which text messages reach them."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from domain.people.phone_numbers import find_phone

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

PAGE = 5_000
_FIND = sa.text(
    """
    SELECT id, jsonb_strip_nulls(jsonb_build_object('phone', traits -> 'phone', 'country', traits -> 'country',
                                                    'address', traits -> 'address')) AS traits
    FROM profiles WHERE id > :after AND traits ? 'phone' ORDER BY id LIMIT :page
    """
)
_WRITE = sa.text(
    """
    WITH item AS (
      SELECT * FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS item (id uuid, number text)
    ), stated AS (
      UPDATE profiles SET addresses = addresses || jsonb_build_object('sms', number)
      FROM item WHERE profiles.id = item.id
    )
    INSERT INTO addresses (channel, value) SELECT DISTINCT 'sms', number FROM item ON CONFLICT DO NOTHING
    """
)


def upgrade() -> None:
    connection = op.get_bind()
    after: Any = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(_FIND, {"after": after, "page": PAGE}).all():
        after = rows[-1].id
        numbers = {str(row.id): find_phone(row.traits) for row in rows}
        items = [{"id": id, "number": number.e164} for id, number in numbers.items() if number is not None]
        connection.execute(_WRITE, {"items": json.dumps(items)})


def downgrade() -> None:
    op.execute("UPDATE profiles SET addresses = addresses - 'sms' WHERE addresses ? 'sms'")
    op.execute("DELETE FROM addresses WHERE channel = 'sms'")
