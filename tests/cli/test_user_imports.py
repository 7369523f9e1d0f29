"""People from a file: mapped, each row once, with the errors by line."""

import io
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from cli.exit_codes import UNAVAILABLE
from cli.main import run
from cli.users.import_columns import Columns, RowError
from cli.users.import_progress import errors_file, progress_file
from cli.users.import_rows import Format, Place, Row, RowReader
from domain.errors import InvalidRequestError
from store.clock import DeploymentClock
from tests.cli.conftest import Output
from tests.forks import fork
from tests.harness import ADMIN_KEY, PATIENCE, WRITE_KEY, looks

CSV = """\
\ufeffCustomer;E-mail;Age;VIP;Newsletter;Note;zip
u-1;Ada@Example.com;36;yes;no;"two
lines; one cell";01234
u-2;bob@example.com;x;no;yes;;
u-3;;40;;perhaps;;
undefined;;41;;;;
u-4;only;three
u-1;;37;;;;
"""
MAPPED = [
    *("--map", "Customer=user_id", "--map", "E-mail=traits.email", "--map", "Age=traits.age:number"),
    *("--map", "VIP=traits.vip:boolean", "--map", "Newsletter=consent.email", "--map", "Note=-"),
]


def person(api_url: str, user: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    found: dict[str, Any] = httpx.get(f"{api_url}/v1/users/{user}", headers=headers, trust_env=False).json()
    return found


def traits(api_url: str, user: str) -> dict[str, Any]:
    return {name: one["value"] for name, one in person(api_url, user)["traits"].items()}


def errors(file: Path) -> list[tuple[int, str, str]]:
    lines = [json.loads(line) for line in errors_file(file).read_text().splitlines()]
    return [(line["line"], line["outcome"], line["error"]) for line in lines]


@pytest.mark.usefixtures("deployment")
def test_a_csv_file_is_mapped_and_its_errors_are_listed_by_line(api_url: str, folder: Path, capsys: Output) -> None:
    file = folder / "people.csv"
    file.write_text(CSV)
    assert run(["users", "import", "people.csv", *MAPPED, "--delimiter", ";"]) == 1
    printed = capsys.readouterr()
    assert printed.out.endswith("import people.csv: done (imported 4, left out 2, rejected 2)\n")
    assert "people.csv.errors.ndjson lists what was not imported" in printed.err
    # Of two rows about one person, the later one holds.
    assert traits(api_url, "u-1") == {"email": "Ada@Example.com", "age": 37, "vip": True, "zip": "01234"}
    first = person(api_url, "u-1")
    assert (first["traits"]["email"]["source"], first["consent"]["email"]["given"]["value"]) == ("import", False)
    assert [line for line, _, _ in errors(file)] == [4, 5, 6, 7]
    found = {line: (outcome, error) for line, outcome, error in errors(file)}
    assert (traits(api_url, "u-2"), found[4]) == (
        {"email": "bob@example.com", "vip": False},
        ("left_out", "`Age` is not of the type number: 'x'"),
    )
    assert found[5][0] == "left_out"
    assert "`Newsletter` must be true or false" in found[5][1]
    assert found[6][0] == "rejected"
    assert '"undefined" stands for no id' in found[6][1]
    assert found[7] == ("rejected", "it has 3 cells, and the header 7")
    assert not progress_file(file).exists()

    file.write_text("user_id,plan\nu-1,pro\n")
    assert run(["users", "import", "people.csv", "--said-at", "2020-01-01T00:00:00Z"]) == 0
    assert run(["users", "import", "people.csv", "--map", "plan=traits.vip", "--said-at", "2020-01-01T00:00:00Z"]) == 0
    # What was said later is not overwritten.
    assert (traits(api_url, "u-1")["plan"], traits(api_url, "u-1")["vip"]) == ("pro", True)
    assert not errors_file(file).exists()
    items = httpx.get(
        f"{api_url}/v1/users/u-1/timeline", headers={"Authorization": f"Bearer {ADMIN_KEY}"}, trust_env=False
    ).json()["items"]
    assert {item["summary"] for item in items if item["kind"] == "event"} == {"imported by SOJOURN_ADMIN_KEY"}


@pytest.mark.usefixtures("deployment")
def test_a_batch_of_faulty_rows_names_them_all(api_url: str, folder: Path) -> None:
    rows = [{"user_id": "undefined" if number % 2 else f"u-{number}", "n": number} for number in range(300)]
    file = folder / "people.ndjson"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows) + '{"user_id": "u-2", "traits": {"n": null}}\n')
    assert run(["users", "import", "people.ndjson"]) == 1
    assert [line for line, _, _ in errors(file)] == list(range(2, 301, 2))
    assert (traits(api_url, "u-0"), traits(api_url, "u-2")) == ({"n": 0}, {})


@pytest.mark.usefixtures("deployment")
def test_errors_are_in_the_order_and_the_words_of_the_file(folder: Path) -> None:
    file = folder / "people.ndjson"
    lines = (
        '{"user_id": "u-1", "consent": {"email": "perhaps"}}',
        "{not JSON",
        '{"user_id": "u-2", "said_at": "yesterday"}',
        '{"plan": "pro"}',
        '["u-3"]',
        '{"user_id": "undefined", "zone": "GMT+2"}',
        '{"user_id": "u-4", "zone": "GMT+2"}',
    )
    file.write_text("\n".join(lines))
    assert run(["users", "import", "people.ndjson", "--map", "zone=traits.timezone"]) == 1
    assert [line for line, _, _ in errors(file)] == [1, 2, 3, 4, 5, 6, 7]
    said = {line: error for line, _, error in errors(file)}
    assert said[1].startswith("`consent.email` must be")
    assert said[3].startswith("`said_at` ")
    assert said[4].startswith("`user_id` or `anonymous_id` is needed")
    assert said[6].startswith("`user_id` ")
    assert said[7].startswith("`zone` must be")
    rows = [json.loads(line)["row"] for line in errors_file(file).read_text().splitlines()]
    assert (rows[1], rows[3], rows[4]) == ("{not JSON", {"plan": "pro"}, '["u-3"]')


@pytest.mark.usefixtures("deployment")
def test_rows_without_a_time_are_of_the_deployments_now(
    api_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock may be ahead: what was said there a moment ago is older than the file."""
    now = DeploymentClock.now
    monkeypatch.setattr(DeploymentClock, "now", lambda clock: now(clock) + timedelta(hours=2))
    call = {"userId": "u-1", "traits": {"plan": "free"}}
    assert httpx.post(f"{api_url}/v1/identify", json=call, auth=(WRITE_KEY, ""), trust_env=False).is_success
    (folder / "people.csv").write_text("user_id,plan\nu-1,pro\n")
    assert run(["users", "import", "people.csv"]) == 0
    assert traits(api_url, "u-1") == {"plan": "pro"}


async def test_a_killed_import_goes_on_where_it_was_and_no_row_counts_twice(
    deployment: str, folder: Path, database_url: str
) -> None:
    file, number = folder / "people.csv", 3_000
    rows = [f"u-{n % 2_000},{n}\n" + ("undefined,x\n" if n % 20 == 0 else "") for n in range(number)]
    file.write_text("user_id,n\n" + "".join(rows))
    command = ["users", "import", str(file), "--map", "n=traits.n"]
    variables = {"SOJOURN_API_URL": deployment, "SOJOURN_API_KEY": ADMIN_KEY}
    process = await fork(*command, variables=variables)
    async for is_last in looks(PATIENCE):
        if progress_file(file).exists() and json.loads(progress_file(file).read_text())["place"]["line"] > 0:
            break
        assert not is_last, "no batch was ever answered"
    process.kill()
    await process.wait()
    assert 0 < json.loads(progress_file(file).read_text())["counts"]["imported"] < number
    # As if it had been killed between the answer and the record of it.
    with errors_file(file).open("a") as lines:
        lines.write("half a li")
    other = await fork("users", "import", str(file), variables=variables)
    assert b"was interrupted at line" in (await other.communicate())[0]
    again = await fork(*command, variables=variables)
    output, _ = await again.communicate()
    assert again.returncode == 1
    assert b"done (imported 3,000, rejected 150)" in output, output
    assert len(errors(file)) == 150
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            """
            SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM profiles),
                   (SELECT traits ->> 'n' FROM profiles WHERE user_id = 'u-0'),
                   (SELECT traits ->> 'n' FROM profiles WHERE user_id = 'u-999')
            """
        )
        assert await cursor.fetchone() == (number, 2_000, "2000", "2999")


@pytest.mark.usefixtures("folder")
def test_a_file_that_cannot_be_imported_is_refused_before_any_row(
    deployment: str, folder: Path, capsys: Output
) -> None:
    file = folder / "people.csv"
    for text, arguments, why in (
        ("plan,plan\n", (), "the column `plan` stands twice"),
        ("id,plan\n", (), "no column is the user's id"),
        ("E-mail,plan\n", ("--map", "Email=user_id"), "there is no column `Email`. Did you mean `E-mail`?"),
        ("user_id\n", ("--map", "user_id"), "write COLUMN=TARGET"),
        ("user_id\n", ("--map", "user_id=user"), "a target is user_id"),
        ("user_id\n", ("--map", "user_id=traits.n:integer"), "there is no type integer"),
        ("user_id,userId\n", (), "`user_id` and `userId` are both user_id"),
        ("id,a,b\n", ("--map", "a=traits.b", "--map", "id=user_id"), "`a` and `b` are both traits.b: leave one out"),
        ("user_id,plan,\n", (), "column 3 of the header has no name"),
        ("user_id,plan\ru-1,pro\r", (), "not CSV with lines that end in LF"),
        ("user_id,pl\udce4n\n", (), "not UTF-8"),
        ("\udcff\udcfeu\0", (), "it is UTF-16"),
        ("", (), "the first line has no names"),
    ):
        file.write_bytes(text.encode(errors="surrogateescape"))
        assert run(["users", "import", "people.csv", *arguments]) == 1, text[:80]
        assert why in capsys.readouterr().err
        progress_file(file).unlink(missing_ok=True)


def read(text: bytes, format: Format, place: Place = Place()) -> list[Row]:  # noqa: B008 -- it is frozen
    return list(RowReader(io.BytesIO(text), format, delimiter=",", place=place))


def test_rows_are_the_same_from_any_place_on() -> None:
    text = 'user_id,a\nu-1,"x\ny"\nu-2,"broken"quote\n\nu-3,\xe9\nu-4,é\n'.encode("latin-1") + b"u-5,z"
    rows = read(text, "csv")
    assert [(row.line, row.values.get("user_id"), row.error is None) for row in rows] == [
        (2, "u-1", True),
        (4, None, False),
        (6, None, False),
        (7, None, False),
        (8, "u-5", True),
    ]
    for number, row in enumerate(rows, 1):
        assert read(text, "csv", row.after) == rows[number:]
    lines = b'{"user_id": "u-1", "traits": {"a": 1}, "consent": {"email": true}}\n\n[1]\n{"a": NaN}\n{\n{"b": "\xff"}'
    rows = read(lines, "ndjson")
    assert rows[0].values == {"user_id": "u-1", "traits.a": 1, "consent.email": True}
    assert [(row.line, row.error is None) for row in rows] == [
        (1, True),
        (3, False),
        (4, False),
        (5, False),
        (6, False),
    ]
    for number, row in enumerate(rows, 1):
        assert read(lines, "ndjson", row.after) == rows[number:]


def test_a_faulty_row_costs_no_other_row() -> None:
    """A cell that nothing closes, and a line without end, are one line of the errors each."""
    many = "".join(f"u-{number},a\n" for number in range(3))
    for fault in ('x,"open\n', "x," + "y" * (2**20 + 1) + "\n", f'x,"{"y" * 2**18}"\n', "x,a\rb\n"):
        rows = read(f"user_id,a\n{fault}{many}{fault}{many}".encode(), "csv")
        assert [row.line for row in rows if row.error] == [2, 6], fault[:20]
        assert [row.line for row in rows if not row.error] == [3, 4, 5, 7, 8, 9], fault[:20]
        for number, row in enumerate(rows, 1):
            assert read(f"user_id,a\n{fault}{many}{fault}{many}".encode(), "csv", row.after) == rows[number:]
    rows = read(b'{"user_id": "u-1"}\n{"x": "' + b"y" * 2**20 + b'"}\n{"user_id": "u-2"}\n', "ndjson")
    assert [(row.line, row.error is None) for row in rows] == [(1, True), (2, False), (3, True)]
    [row] = read(b'{"user_id": "u-1", "consent": {"email": true}, "consent.email": false}', "ndjson")
    assert row.error == "`consent.email` stands twice in it"


def test_a_value_that_has_no_place_is_named() -> None:
    """Nothing that a row says is replaced in silence by another value of it."""
    columns = Columns([])
    call, left_out = columns.call({"user_id": "u-1", "consent": "yes", "consent.sms": True}, message_id="1", said_at="")
    assert (call["traits"], left_out) == (
        {"consent": {"sms": True}},
        ["`consent` names no channel: write consent.email, as the other columns do"],
    )
    call, left_out = columns.call(
        {"user_id": "u-1", "consent": {"email": False}, "consent.sms": True}, message_id="1", said_at=""
    )
    assert (call["traits"], left_out) == ({"consent": {"email": False, "sms": True}}, [])
    with pytest.raises(RowError, match="are both"):
        columns.call({"user_id": "u-1", "plan": "free", "traits.plan": "pro"}, message_id="1", said_at="")


@pytest.mark.usefixtures("deployment")
def test_rows_nested_to_any_depth_are_refused_by_line(folder: Path) -> None:
    file = folder / "people.ndjson"
    depths = [*range(900, 1_000, 5), 5_000]
    file.write_text("".join(f'{{"user_id": "u", "x": {"[" * depth}{"]" * depth}}}\n' for depth in depths))
    assert run(["users", "import", "people.ndjson"]) == 1
    assert len(errors(file)) == len(depths)


def test_cells_are_read_by_the_type_of_their_column() -> None:
    columns = Columns(["a=traits.a:number", "b=traits.b:boolean", "c=consent.sms", "d=traits.d:json", "e=f=said_at"])
    row = {"userId": 7, "a": "1.5", "b": "No", "c": "yes", "d": "[1]", "e=f": "2020-01-01T00:00:00Z", "x": None}
    call, left_out = columns.call(row, message_id="1", said_at="now")
    assert left_out == []
    assert call == {
        "type": "identify",
        "messageId": "1",
        "timestamp": "2020-01-01T00:00:00Z",
        "userId": 7,
        "traits": {"a": 1.5, "b": False, "d": [1], "x": None, "consent": {"sms": "yes"}},
    }
    for wrong in ({"a": "1,000"}, {"a": "true"}, {"a": "NaN"}, {"b": "maybe"}, {"d": "{"}):
        call, [why] = columns.call({**wrong, "userId": "u-1"}, message_id="1", said_at="now")
        assert (call["traits"], "is not of the type" in why) == ({}, True)
    with pytest.raises(RowError, match="is not of the type"):
        Columns(["n=user_id:number"]).call({"n": "x"}, message_id="1", said_at="now")
    with pytest.raises(InvalidRequestError):
        Columns(["a=traits."])


@pytest.mark.usefixtures("folder")
def test_an_import_without_an_api_says_how_it_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    file = folder / "people.csv"
    file.write_text("user_id\nu-1\n")
    monkeypatch.setenv("SOJOURN_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SOJOURN_API_KEY", ADMIN_KEY)
    monkeypatch.setattr(sys.modules["cli.users.import_file"], "AWAY_SECONDS", 0.0)
    assert run(["users", "import", "people.csv"]) == UNAVAILABLE
    assert "0 lines are imported; the same command goes on." in capsys.readouterr().err
    assert progress_file(file).exists()


def test_a_column_may_be_a_topic_on_a_channel() -> None:
    columns = Columns(["Letter=consent.letters.email", "News=consent.topics.news.email", "Mail=consent.email"])
    row = {"user_id": "u-1", "Letter": "yes", "News": "no", "Mail": "yes"}
    call, left_out = columns.call(row, message_id="1", said_at="2026-11-01T00:00:00Z")
    topics = {"letters": {"email": "yes"}, "news": {"email": "no"}}
    assert (call["traits"], left_out) == ({"consent": {"email": "yes", "topics": topics}}, [])
