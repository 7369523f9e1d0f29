"""`sojourn backtest` over the events of a real database."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest
from cli.dev_folder import DATA_FOLDER, DevFolder
from cli.main import run
from domain.tracking.event import Event
from store.database import Database
from tests.cli.conftest import CAMPAIGN, Output, set_deployment

SENDING = CAMPAIGN.format(key="cart") + "  - {id: nudge, send: {channel: email, template: note}}\n"
MAIL = (
    "---\nchannel: email\nsubject: Hi\nfrom: a@example.com\ntext: Hello\n---\n<p>{{ profile.traits.first_name }}</p>\n"
)


def called(at: datetime, name: str | None, user: str, **values: str) -> Event:
    id = uuid4()
    return Event(
        id=id,
        message_id=str(id),
        type="identify" if name is None else "track",
        name=name,
        user_id=user,
        anonymous_id=None,
        properties=values,
        context={},
        timestamp=at,
    )


async def report(database_url: str) -> None:
    at = datetime.now(UTC) - timedelta(days=3)
    async with Database(database_url, pool_size=2) as database:
        ingest = Ingest(database, Catalogue())
        await ingest([called(at, None, "ada", email="ada@example.com", first_name="Ada")], received_at=at)
        await ingest([called(at, None, "bob", email="bob@example.com")], received_at=at)
        for user in ("ada", "bob"):
            await ingest([called(at + timedelta(hours=1), "Cart Abandoned", user)], received_at=at + timedelta(hours=1))


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, database_url: str, folder: Path) -> str:
    set_deployment(monkeypatch, database_url)
    asyncio.run(report(database_url))
    (folder / "templates").mkdir()
    (folder / "templates" / "note.liquid").write_text(MAIL)
    (folder / "cart.yaml").write_text(SENDING)
    return "cart.yaml"


def test_a_file_is_simulated_over_the_last_days(file: str, capsys: Output) -> None:
    assert run(["backtest", file, "--last", "2d"]) == 0
    assert "| cart | 0 | 0 | 0 | 0 |" in capsys.readouterr().out
    # The message of one of them fails, which a script must see.
    assert run(["backtest", file, "--last", "5d", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    [campaign] = found["campaigns"]
    assert (campaign["entered"], campaign["sent"], found["head"]["people"]) == (2, 2, 2)
    [fault] = found["faults"]
    assert (fault["user_id"], fault["fails"], fault["number"]) == ("bob", True, 1)
    assert "trace" not in found


def test_one_person_is_traced(file: str, capsys: Output) -> None:
    assert run(["backtest", file, "--last", "5d", "--user", "ada"]) == 0
    printed = capsys.readouterr().out
    assert "cart: entered cart" in printed
    assert "for 1 people" not in printed
    assert run(["backtest", file, "--user", "nemo"]) == 1
    assert "nothing was ever reported of the user nemo" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--last", "soon"], "soon"),
        (["--last", "0d"], "more than 0s"),
        (["--last", "1000000w"], "at most 3660d"),
        (["--sample", "²%"], "more than 0%"),
        (["--sample", "0%"], "more than 0%"),
        (["--sample", "200%"], "at most 100%"),
        (["--segment", "nosuch"], "there is no segment nosuch; segments: none"),
    ],
)
def test_a_wrong_option_says_so(file: str, capsys: Output, options: list[str], said: str) -> None:
    assert run(["backtest", file, *options]) in (1, 2)
    assert said in " ".join(capsys.readouterr().err.replace("│", "").split())


def test_a_document_that_decides_nothing_is_refused(file: str, folder: Path, capsys: Output) -> None:
    (folder / "retention.yaml").write_text("retention: {}\n")
    assert run(["backtest", file, "retention.yaml"]) == 1
    assert "does not decide about messages" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("before", "after", "status", "said"),
    [
        ("@.*/", "@127.0.0.1:1/", 3, "sojourn: the database does not answer"),
        ("/[^/]+$", "/none", 1, "sojourn: the database refuses us: there is no such database"),
        ("/[^/]+$", "/postgres", 1, "sojourn: the database was never migrated: run `sojourn migrate`"),
    ],
)
def test_a_database_that_fails_is_explained(
    file: str,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
    before: str,
    after: str,
    status: int,
    said: str,
) -> None:
    set_deployment(monkeypatch, re.sub(before, after, database_url))
    assert run(["backtest", file]) == status
    assert capsys.readouterr().err.startswith(said)


def test_a_running_dev_gives_its_settings(
    file: str, folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    for name in ("DATABASE_URL", "LINK_SECRET", "WEBHOOK_SIGNING_SECRET"):
        monkeypatch.delenv(f"SOJOURN_{name}")
    dev = DevFolder(folder / DATA_FOLDER)
    dev.path.mkdir()
    servers = {"database_url": database_url, "temporal_address": "127.0.0.1:1", "smtp_port": "1", "secrets": "{}"}
    dev.announce({"api_url": "http://127.0.0.1:1", **dev.keys(), **servers})
    assert run(["backtest", file]) == 1
    assert "for 2 people" in capsys.readouterr().out


def test_a_change_is_compared_with_what_runs_or_with_files(file: str, folder: Path, capsys: Output) -> None:
    (folder / "later.yaml").write_text(SENDING.replace("  - {id: nudge", "  - {id: rest, delay: 4h}\n  - {id: nudge"))
    # Nothing runs, so each message is the first one.
    assert run(["backtest", file, "--last", "5d", "--against", "running", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["difference"]
    assert (found["people"], found["against"]) == ({"first": 2}, [])
    assert [one["user_id"] for one in found["examples"]] == ["ada", "bob"]
    assert found["examples"][0]["after"][0]["summary"] == "entered cart"
    assert run(["backtest", "later.yaml", "--last", "5d", "--against", file, "--no-examples"]) == 1
    printed = capsys.readouterr().out
    assert "**2 messages instead of 2 (+0.0%).** People: 2 get the same at another time." in printed
    assert "- Compared with `cart.yaml`." in printed
    # A comment of it may be read by others.
    assert not {"ada", "bob"} & {*re.findall(r"\w+", printed)}


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--max-per-person", "1"], 0, ""),
        (["--max-per-person", "0"], 7, "sojourn: messages of one person: 1, at most 0"),
        (["--against", "running", "--max-growth", "10%"], 7, "growth of the messages: 2 where there was none"),
        (["--against", "cart.yaml", "--max-growth", "0%", "--max-silenced", "0%"], 0, ""),
        (["--max-growth", "10%"], 2, "name the other one by `--against running`"),
        (["--against", "cart.yaml", "--max-silenced", "few"], 2, "`few` is not a share: write `10%`"),
        (["--against", "nosuch.yaml"], 2, "there is no file or folder `nosuch.yaml`"),
        (["--against", "running", "--against", "cart.yaml"], 2, "`running` stands alone"),
    ],
)
def test_a_limit_that_is_exceeded_has_a_status(
    file: str, folder: Path, capsys: Output, options: list[str], status: int, said: str
) -> None:
    (folder / "templates" / "note.liquid").write_text(MAIL.replace("first_name }}", "first_name | default: 'you' }}"))
    assert run(["backtest", file, "--last", "5d", *options]) == status
    assert said in " ".join(capsys.readouterr().err.replace("│", "").split())


def test_a_backtest_needs_no_secret_but_that_of_the_database(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    for name in ("LINK_SECRET", "WEBHOOK_SIGNING_SECRET", "ADMIN_KEY", "WRITE_KEY"):
        monkeypatch.delenv(f"SOJOURN_{name}")
    assert run(["backtest", file, "--last", "2d"]) == 0
    assert "for 2 people" in capsys.readouterr().out
