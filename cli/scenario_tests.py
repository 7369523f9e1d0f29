"""sojourn test: run scenario files, by the simulator in milliseconds."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any
from xml.etree import ElementTree

import typer
from msgspec import Struct
from msgspec.structs import replace

from cli.exit_codes import DONE, REFUSED
from cli.extras import dev_extra
from cli.options import AsJson
from cli.output import number_of, print_error, print_json, printable
from cli.scenario_files import LoadedScenarios, load_scenarios, scenario_files
from domain.errors import InvalidDocumentError

if TYPE_CHECKING:
    from domain.rehearsal.scenario_run import ScenarioResult

ScenarioFilesArgument = Annotated[list[Path], typer.Argument(exists=True, metavar="FILE", show_default=False)]


class TestedScenario(Struct, frozen=True):
    """A scenario with the lines that came otherwise, and how long it took."""

    file: str
    campaign: str
    name: str
    line: int
    seconds: float
    failures: Sequence[str]
    note: str = ""


def run_scenarios(
    files: ScenarioFilesArgument,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML.", show_default=False),
    ] = None,
    engine: Annotated[
        bool, typer.Option("--engine", help="Run them by the real engine as well, and compare. Takes minutes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Test campaigns by the scenarios beside them, without a server.

    A folder stands for its `.test.yaml` files, and a campaign's file for the scenarios beside it. Status 1 if
    something comes otherwise than a scenario says.
    """
    tested: list[TestedScenario] = []
    is_valid = True
    for file in scenario_files(files):
        try:
            loaded = load_scenarios(file)
            found = [_run(loaded, file, number) for number in range(len(loaded.scenarios.scenarios))]
            if engine:
                with dev_extra("test --engine"), tempfile.TemporaryDirectory(prefix="sojourn-test-") as folder:
                    # The embedded servers may run as another user, who must be able to enter.
                    Path(folder).chmod(0o755)
                    found = asyncio.run(_compare(loaded, file, Path(folder), found))
        except InvalidDocumentError as error:
            is_valid = False
            print_error(error)
            continue
        tested += found
        if not as_json:
            _print(file, loaded, found)
    if junit is not None:
        junit.write_text(write_junit(tested), encoding="utf-8")
    if as_json:
        print_json({"scenarios": [_as_json(one) for one in tested]})
    failed = sum(bool(one.failures) for one in tested)
    if not as_json:
        said = f", {failed} failed" if failed else ""
        typer.echo(f"{number_of(len(tested), 'scenario')}{said}, {sum(one.seconds for one in tested):.2f} s")
    raise typer.Exit(DONE if is_valid and not failed else REFUSED)


def _run(loaded: LoadedScenarios, file: Path, number: int) -> TestedScenario:
    from domain.rehearsal.scenario_run import run_scenario

    scenario = loaded.scenarios.scenarios[number]
    began = perf_counter()
    result = run_scenario(scenario, loaded.rulebook, loaded.campaign, str(file))
    seconds = perf_counter() - began
    return TestedScenario(
        str(file), loaded.campaign, scenario.name, scenario.line, seconds, _describe(result, str(file))
    )


async def _compare(
    loaded: LoadedScenarios, file: Path, folder: Path, tested: Sequence[TestedScenario]
) -> list[TestedScenario]:
    """Play scenarios on the real engine, and add its differences from the simulator."""
    from cli.scenario_engine import start_engine
    from runtime.logs import configure_logs

    configure_logs(is_quiet=True)
    compared: list[TestedScenario] = []
    async with start_engine(loaded, folder) as engine:
        for one, scenario in zip(tested, loaded.scenarios.scenarios, strict=True):
            if (why := await engine.explain_omission(scenario)) is not None:
                compared.append(replace(one, note=f"by the simulator alone: {why}"))
                continue
            began = perf_counter()
            differences = await engine.compare(scenario, str(file))
            seconds = one.seconds + perf_counter() - began
            compared.append(replace(one, seconds=seconds, failures=[*one.failures, *differences]))
    return compared


def _describe(result: "ScenarioResult", file: str) -> list[str]:
    return [f"{file}:{one.line}: {one.said}" for one in result.differences]


def _print(file: Path, loaded: LoadedScenarios, tested: Sequence[TestedScenario]) -> None:
    typer.echo(printable(f"{file}: campaign {loaded.campaign}"))
    for omission in loaded.omissions:
        typer.echo(printable(f"  {omission}"))
    for one in tested:
        mark = typer.style("failed", fg="red") if one.failures else typer.style("ok", fg="green")
        note = f" ({one.note})" if one.note else ""
        typer.echo(f"  {mark}  {printable(one.name)}{note}")
        for failure in one.failures:
            typer.echo(printable(f"    {failure}"))


def _as_json(one: TestedScenario) -> dict[str, Any]:
    return {
        "file": one.file,
        "campaign": one.campaign,
        "name": one.name,
        "line": one.line,
        "seconds": round(one.seconds, 4),
        "is_ok": not one.failures,
        "failures": list(one.failures),
    }


def write_junit(tested: Sequence[TestedScenario]) -> str:
    """Return the results as JUnit XML, a suite for each file."""
    root = ElementTree.Element("testsuites")
    for file in dict.fromkeys(one.file for one in tested):
        own = [one for one in tested if one.file == file]
        failed = sum(bool(one.failures) for one in own)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=file,
            tests=str(len(own)),
            failures=str(failed),
            time=f"{sum(one.seconds for one in own):.3f}",
        )
        for one in own:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=one.campaign,
                name=one.name,
                file=one.file,
                line=str(one.line),
                time=f"{one.seconds:.3f}",
            )
            if one.failures:
                failure = ElementTree.SubElement(case, "failure", message=one.failures[0])
                failure.text = "\n".join(one.failures)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
