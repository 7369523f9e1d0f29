"""Documents are checked in processes of their own: whatever a document makes these do, they end; the server goes on."""

import asyncio
import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from application.campaign_graph import CampaignGraphs
from application.document_graphs import DocumentGraphs
from application.documents import CampaignText
from application.plans import Document, Plans
from domain.access import Actor
from domain.campaign.difference import Change
from domain.campaign.publication import Published
from domain.deployment_documents import FREQUENCY_CAPS
from domain.errors import InvalidDocumentError, OverloadedError
from runtime import documents
from runtime.document_process import Limits
from runtime.documents import MAX_AT_ONCE, MAX_WAITING, DocumentProcesses
from store.database import Database
from tests.api.fakes import ADMIN_KEY
from tests.api.live import ApiProcess, api_process
from tests.harness import MAIL, PATIENCE, looks

ROOT = Path(__file__).parents[2]
CAMPAIGN = "key: {key}\nname: A\nentry: {{event: A}}\nsteps:\n"
SMALL = CampaignText(CAMPAIGN.format(key="small") + "  - {id: a, delay: 1h}\n", "small.yaml", {})
ENDED = "the check was ended: it may take"


def expensive(templates: int) -> CampaignText:
    """A campaign whose every template takes half a second of a processor to compile."""
    steps = "".join(f"  - {{id: s{n}, send: {{channel: email, template: t{n}}}}}\n" for n in range(templates))
    body = MAIL + "{{ profile.traits.first_name | default: 'you' | upcase }}" * 3_500
    return CampaignText(
        CAMPAIGN.format(key="dear") + steps, "dear.yaml", {f"t{n}.liquid": body for n in range(templates)}
    )


def children() -> set[int]:
    """The checks that run at the moment."""
    warm = documents._warm
    assert warm is not None
    pid = warm._process.pid
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


async def until(is_so: Callable[[], bool]) -> None:
    async for is_last in looks(PATIENCE):
        if is_so():
            return
        assert not is_last


async def test_a_document_is_proved_as_it_is_here() -> None:
    checked = await DocumentProcesses().campaign(SMALL)
    assert isinstance(checked, Published)
    assert (checked.definition.key, list(checked.plan.nodes), checked.warnings) == ("small", ["a"], [])
    with pytest.raises(InvalidDocumentError) as refused:
        await DocumentProcesses().campaign(CampaignText("key: 7\n", "a.yaml", {}))
    assert {problem.path for problem in refused.value.problems} >= {"key", "name", "entry", "steps"}
    with pytest.raises(InvalidDocumentError):
        await DocumentProcesses().rules(FREQUENCY_CAPS, "rules: 7", "caps.yaml")
    [rule] = await DocumentProcesses().rules(FREQUENCY_CAPS, "rules: [{name: a, limit: 1, per: 1d}]", "caps.yaml")
    assert (rule.name, rule.limit) == ("a", 1)
    [change] = await DocumentProcesses().changes(SMALL, CampaignText(SMALL.source.replace("1h", "2h"), "a.yaml", {}))
    assert change.text == "step a: delay was 1h and is 2h"


async def test_packages_of_the_working_directory_are_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sojourn runs in the repositories of others, who have a `domain` as well."""
    for name in ("domain", "runtime"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not ours')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(documents, "_warm", None)
    assert isinstance(await DocumentProcesses().campaign(SMALL), Published)
    warm = documents._warm
    assert warm is not None
    warm.close()
    warm._process.wait(PATIENCE)


@pytest.mark.parametrize(
    "limits",
    [Limits(cpu_seconds=0.2), Limits(wall_seconds=0.5), Limits(memory_bytes=2 * 1024 * 1024)],
    ids=["cpu", "wall", "memory"],
)
async def test_a_document_that_takes_too_much_is_refused(limits: Limits) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        await DocumentProcesses(limits).campaign(expensive(6))
    [problem] = refused.value.problems
    assert (problem.file, problem.message.startswith(ENDED)) == ("dear.yaml", True)
    # The next one is none the worse for it.
    assert (await DocumentProcesses().campaign(SMALL)).definition.key == "small"


async def test_a_fault_of_ours_is_not_told_to_the_author(tmp_path: Path) -> None:
    """Also where standard error is a file, to which a check may not write."""
    program = (
        "import asyncio\n"
        "from runtime.documents import DocumentProcesses\n"
        "asyncio.run(DocumentProcesses()._check('campaign', 'a.yaml', 'no campaign'))\n"
    )
    log = tmp_path / "log"
    with log.open("w") as stderr:
        server = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT, stderr=stderr)
        await server.wait()
    assert "RuntimeError: failed to check a document" in log.read_text()
    assert "AttributeError: 'str' object has no attribute 'source'" in log.read_text()
    assert "check was ended" not in log.read_text()


async def test_two_documents_at_once_are_checked_and_few_wait() -> None:
    checker = DocumentProcesses(Limits(cpu_seconds=0.1, wall_seconds=PATIENCE))
    most = 0
    checks = [asyncio.create_task(checker.campaign(expensive(6))) for _ in range(MAX_AT_ONCE + MAX_WAITING + 5)]
    every = asyncio.gather(*checks, return_exceptions=True)
    while not every.done():
        running = children() if documents._warm else set()
        most = max(most, len(running))
        await asyncio.sleep(0.01)
    outcomes = Counter(type(outcome) for outcome in every.result())
    assert outcomes == {InvalidDocumentError: MAX_AT_ONCE + MAX_WAITING, OverloadedError: 5}
    # One that has answered is counted until the kernel has taken it down.
    assert 1 <= most <= 2 * MAX_AT_ONCE


async def test_no_connection_is_held_while_documents_are_compared(database_url: str) -> None:
    """Also under an Idempotency-Key, whose transaction holds all that the request does."""
    in_use: list[int] = []

    class Watched(DocumentProcesses):
        async def changes(self, before: CampaignText | None, after: CampaignText) -> list[Change]:
            in_use.append(database.pool_state().in_use)
            return await super().changes(before, after)

    document = Document(SMALL.source, SMALL.file, SMALL.templates, "keep")
    async with Database(database_url, pool_size=1) as database:
        plans = Plans(database, Watched(), "UTC")
        async with database.unit_of_work():
            plan = await plans.plan("small", document)
        async with database.unit_of_work():
            await plans.apply("small", document, planned=plan.hash, by=Actor("k", "k"))
        async with database.unit_of_work():
            await DocumentGraphs(database, Watched(), CampaignGraphs(database))("small", document.text)
    assert in_use == [0, 0, 0]


async def test_a_check_that_is_given_up_is_ended() -> None:
    check = asyncio.create_task(DocumentProcesses().campaign(expensive(12)))
    await until(lambda: documents._warm is not None and bool(children()))
    check.cancel()
    with suppress(asyncio.CancelledError):
        await check
    await until(lambda: not children())


async def test_the_warm_process_is_started_again_when_it_has_died() -> None:
    await DocumentProcesses().campaign(SMALL)
    warm = documents._warm
    assert warm is not None
    warm._process.kill()
    warm._process.wait()
    assert (await DocumentProcesses().campaign(SMALL)).definition.key == "small"
    assert documents._warm is not warm


async def test_the_warm_process_goes_with_its_server() -> None:
    program = (
        "import asyncio, os, signal\n"
        "from domain.deployment_documents import FREQUENCY_CAPS\n"
        "from runtime import documents\n"
        "asyncio.run(documents.DocumentProcesses().rules(FREQUENCY_CAPS, 'rules: []', 'a.yaml'))\n"
        "print(documents._warm._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await server.communicate()
    assert server.returncode == -signal.SIGKILL

    def is_gone() -> bool:
        try:
            os.kill(int(told), 0)
        except ProcessLookupError:
            return True
        # A process that has ended, and that nothing has waited for.
        return Path(f"/proc/{int(told)}/stat").read_text().split()[2] == "Z"

    await until(is_gone)


HOSTILE = {
    "sender": {"a.liquid": MAIL.replace("Example Shop <", " <" * 30_000)},
    "braces": {"a.liquid": MAIL + "{{" * 60_000},
    "tags": {"a.liquid": MAIL + "{%" * 60_000},
    "ranges": {"a.liquid": MAIL + "{% for a in (1..9) %}" * 60 + "{{ a | join }}"},
}


async def plan(api: ApiProcess, templates: dict[str, str], **headers: str) -> int:
    source = CAMPAIGN.format(key="hostile") + "  - {id: a, send: {channel: email, template: a}}\n"
    body = {"file": "a.yaml", "source": source, "templates": templates}
    async with api.client(ADMIN_KEY) as client:
        answer = await client.post("/v1/campaigns/hostile/plan", json=body, headers=headers, timeout=PATIENCE)
    return answer.status_code


async def test_an_api_goes_on_while_it_is_sent_hostile_documents(database_url: str) -> None:
    """With one connection to the database, which no check holds, whatever key it is asked under."""
    dear = expensive(2).templates["t0.liquid"]
    async with api_process(database_url, database_pool_size=1) as api, api.client(ADMIN_KEY) as client:
        answered, rounds = 0, itertools.count()
        while answered <= len(HOSTILE):
            # However slowly this machine answers, it does so before the checks are over.
            number = next(rounds)
            assert number < 10, answered
            hostile = [plan(api, templates) for templates in HOSTILE.values()]
            slow = [plan(api, {"a.liquid": dear}, **{"Idempotency-Key": f"k{number}-{n}"}) for n in range(3)]
            every = asyncio.gather(*hostile, *slow)
            while not every.done():
                answer = await client.get("/v1/campaigns", timeout=PATIENCE)
                # A busy machine may keep it waiting for longer than a request waits for the connection.
                assert answer.status_code in {200, 503}, answer.text
                answered += answer.status_code == 200 and not every.done()
            statuses = every.result()
            assert set(statuses[: len(HOSTILE)]) <= {422, 503}
            assert set(statuses[len(HOSTILE) :]) <= {200, 503}
