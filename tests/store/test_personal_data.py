"""Where personal data lives is decided for each column that there is."""

from store.personal_data import IMPERSONAL_TABLES, PERSONAL_TABLES
from store.tables import metadata

REASON = "decide in store/personal_data.py what becomes of a new column or table when its person is erased"


def test_every_column_is_decided_about() -> None:
    decided = {table.name: table.columns for table in PERSONAL_TABLES}
    decided |= {name: set(table.columns) for name, table in IMPERSONAL_TABLES.items()}
    schema = {name: set(table.columns.keys()) for name, table in metadata.tables.items()}
    assert decided.keys() == schema.keys(), REASON
    assert {name: decided[name] ^ schema[name] for name in schema if decided[name] != schema[name]} == {}, REASON


def test_each_table_is_decided_about_once() -> None:
    names = [*(table.name for table in PERSONAL_TABLES), *IMPERSONAL_TABLES]
    assert len(names) == len(set(names))
    for table in PERSONAL_TABLES:
        assert not {*table.exported} & {*table.internal}, table.name


def test_rows_that_lead_to_others_are_deleted_after_them() -> None:
    order = [table.name for table in PERSONAL_TABLES]
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            if table.name in order and key.column.table.name in order and table.name != "erasures":
                assert order.index(table.name) < order.index(key.column.table.name), table.name
    assert order.index("message_ids") < order.index("events")
    assert order.index("outbox") < order.index("journeys")
