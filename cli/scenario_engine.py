"""Scenarios on a stack of their own, whose time is moved, beside the simulator."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, get_args
from zoneinfo import ZoneInfo

import httpx

from cli.dev_stack import DevStack
from cli.documents import templates_beside
from cli.scenario_files import DeployedFile, LoadedScenarios
from domain.campaign.plan import Message
from domain.channels.kinds import CHANNELS
from domain.deployment_documents import DEPLOYMENT_DOCUMENTS, PROVIDERS
from domain.errors import InvalidDocumentError, InvalidRequestError, Problem
from domain.local_time.zones import recipient_zone
from domain.people.identity import PersonRef
from domain.rehearsal.observations import Observed, list_unlike
from domain.rehearsal.scenario_run import (
    MAX_DRAWS,
    ArrivedLine,
    ScenarioPlayer,
    find_campaign,
    find_next,
    has_arms,
    introduce,
    react,
)
from domain.rehearsal.scenarios import CampaignScenario, ExpectedKind, Reacts, ReportedCall
from runtime.embedded.forward import MARGIN, Forwarder
from runtime.temporal import connect
from store import profiles

# The engine takes a part of a second for each step, and more on a busy machine. Its sweepers report what time has
# changed once the clock was moved, by up to the margin too far.
MAX_APART: Final = MARGIN + timedelta(seconds=10)
_TIMELINE: Final = 500
# The stack's inbox takes the calls of webhooks, whose receivers are not there.
_WEBHOOKS: Final = "providers: {calls: {kind: console, channel: webhook}}\n"


class ScenarioEngine:
    """A running stack with everything deployed that some scenarios need."""

    def __init__(self, stack: DevStack, http: httpx.AsyncClient, loaded: LoadedScenarios) -> None:
        self._stack = stack
        self._http = http
        self._loaded = loaded
        self._campaign = find_campaign(loaded.rulebook, loaded.campaign)
        self._rules = self._campaign.rules
        self._number = 0

    async def deploy(self) -> None:
        """Put the documents in force, in the order of their reads, and start campaigns."""
        files = sorted(self._loaded.files, key=_order)
        segments = [one for one in files if one.kind == "segment"]
        if not any(one.kind == PROVIDERS.name for one in files):
            await self._admin("PUT", f"/v1/{PROVIDERS.name}", {"file": "providers.yaml", "source": _WEBHOOKS})
        for one in files:
            if one.kind in DEPLOYMENT_DOCUMENTS:
                await self._admin("PUT", f"/v1/{one.kind}", {"file": str(one.path), "source": one.text})
        if segments:
            documents = [{"file": str(one.path), "source": one.text} for one in segments]
            await self._admin("PUT", "/v1/segments", {"documents": documents})
        for one in (one for one in files if one.kind == "campaign"):
            body = {"file": str(one.path), "source": one.text, "templates": templates_beside(one.path)}
            published = await self._admin("POST", "/v1/campaigns", body)
            await self._admin("POST", f"/v1/campaigns/{published['key']}/start")

    async def compare(self, scenario: CampaignScenario, file: str) -> list[str]:
        """Play a scenario, and return where the simulator differs from the engine.

        Both have the same person and the same arrivals. Providers of the stack refuse nothing.
        """
        client = await connect(self._stack.settings.temporal_address, self._stack.settings.temporal_namespace)
        forwarder = Forwarder(self._stack.database, client)
        zone = self._zone_of(scenario)
        now = await self._stack.database.now()
        began_at = scenario.at.find(now, zone)
        await _pass(forwarder, began_at - now)
        arrived = [await self._introduce(scenario, file)]
        for done in scenario.when:
            now = await self._stack.database.now()
            await _pass(forwarder, max(find_next(done, arrived[-1].at, zone) - now, timedelta(0)))
            arrived.append(await self._report(done.what, done.line, file))
        await _pass(forwarder, scenario.watched)
        now = await self._stack.database.now()
        observed = [one async for one in self._observe()]
        async with self._stack.database.transaction() as connection:
            profile_id = await profiles.find(connection, PersonRef(self._user_id))
        if profile_id is None:
            raise InvalidRequestError(f"{self._user_id} is not known to the engine")
        loaded = self._loaded
        player = ScenarioPlayer(
            scenario, loaded.rulebook, loaded.campaign, file, profile_id, self._user_id, arrived[0].at
        )
        for line in arrived:
            player.report(line)
        player.pass_time(now)
        return list(_describe(observed, player.observed, player.zone, f"{file}:{scenario.line}"))

    async def explain_omission(self, scenario: CampaignScenario) -> str | None:
        """Say why the engine cannot play a scenario; None if it can."""
        if scenario.refusals:
            return "no provider of the engine refuses"
        nodes = self._campaign.plan.nodes
        for done in scenario.when:
            node = nodes.get(done.what.step) if isinstance(done.what, Reacts) else None
            if isinstance(node, Message) and any(CHANNELS[channel].waits_for_person for channel in node.channels):
                return "no person visits the app of the engine"
        now = await self._stack.database.now()
        return "its date is over" if scenario.at.find(now, self._zone_of(scenario)) < now else None

    def _zone_of(self, scenario: CampaignScenario) -> ZoneInfo:
        return recipient_zone(scenario.person.traits, self._rules.timezone, self._loaded.rulebook.timezone)

    @property
    def _user_id(self) -> str:
        return f"scenario-{self._number}"

    async def _introduce(self, scenario: CampaignScenario, file: str) -> ArrivedLine:
        """Make a person known that the splits draw into the arms of the scenario."""
        call = introduce(scenario.person)
        for _ in range(MAX_DRAWS):
            self._number += 1
            arrived = await self._report(call, scenario.line, file)
            async with self._stack.database.transaction() as connection:
                profile_id = await profiles.find(connection, PersonRef(self._user_id))
            if profile_id is not None and has_arms(scenario, self._rules, profile_id):
                return arrived
        raise InvalidRequestError("no person is drawn into the arms of the scenario")

    async def _report(self, what: ReportedCall | Reacts, line: int, file: str) -> ArrivedLine:
        call = what if isinstance(what, ReportedCall) else await self._react(what, line, file)
        body: dict[str, Any] = {"userId": self._user_id, "context": dict(call.context)}
        if call.type == "identify":
            body["traits"] = dict(call.properties)
        else:
            body |= {"event" if call.type == "track" else "name": call.name, "properties": dict(call.properties)}
        at = await self._stack.database.now()
        key = self._stack.settings.write_key.get_secret_value()
        answer = await self._http.post(f"/v1/{call.type}", json=body | {"timestamp": at.isoformat()}, auth=(key, ""))
        answer.raise_for_status()
        return ArrivedLine(at, line, what)

    async def _react(self, reacts: Reacts, line: int, file: str) -> ReportedCall:
        sent = [one async for one in self._items() if one["kind"] == "message" and one["step"] == reacts.step]
        if not sent:
            said = f"no message of the step `{reacts.step}` has gone by then"
            raise InvalidDocumentError([Problem(file, line, "when", said, "Let them react later")])
        data, campaign = sent[-1]["data"], self._loaded.campaign
        about = {"message_id": data["message_id"], "channel": data["channel"], "campaign": campaign}
        return react(reacts, about | {"step": reacts.step}, file, line)

    async def _observe(self) -> AsyncIterator[Observed]:
        """Iterate over what came of it, in the words of scenarios."""
        async for item in self._items():
            at, kind, outcome, reason = item["at"], item["kind"], item["outcome"], item["reason"]
            step = item["step"] or ""
            match kind, outcome:
                case "send", "refused":
                    yield Observed(at, "not_sent", step, reason)
                case "send", "deferred" | "held":
                    yield Observed(at, "waits", step, reason)
                case "message", "sent":
                    yield Observed(at, "sent", step, None, item["data"]["channel"])
                case "message", "failed" | "unknown":
                    yield Observed(at, "not_sent", step, outcome)
                case "entry", "refused" if reason != "condition":
                    yield Observed(at, "not_entered", reason)
                case "exit" | "end", _:
                    yield Observed(at, "ends", outcome)
                case "goal", _ if self._rules.goal is not None:
                    yield Observed(at, "goal", self._rules.goal.trigger.label)
                case _:
                    continue

    async def _items(self) -> AsyncIterator[dict[str, Any]]:
        path = f"/v1/users/{self._user_id}/timeline?limit={_TIMELINE}"
        for item in (await self._admin("GET", path))["items"]:
            if item["campaign"] == self._loaded.campaign:
                yield item | {"at": datetime.fromisoformat(item["at"])}

    async def _admin(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        key = self._stack.settings.admin_key.get_secret_value()
        answer = await self._http.request(method, path, json=body, headers={"Authorization": f"Bearer {key}"})
        if not answer.is_success:
            raise InvalidRequestError(f"the engine refuses {path}: {answer.text}")
        return answer.json() if answer.content else None


@asynccontextmanager
async def start_engine(loaded: LoadedScenarios, folder: Path) -> AsyncIterator[ScenarioEngine]:
    """Start a stack in a folder, with everything deployed."""
    async with (
        DevStack(folder / ".sojourn", durable=False) as stack,
        httpx.AsyncClient(base_url=stack.api_url, trust_env=False, timeout=60) as http,
    ):
        engine = ScenarioEngine(stack, http, loaded)
        await engine.deploy()
        yield engine


def _order(one: DeployedFile) -> int:
    """Return the place of a document: each follows those that it may read."""
    kinds = [*DEPLOYMENT_DOCUMENTS, "segment", "campaign"]
    return kinds.index(one.kind)


async def _pass(forwarder: Forwarder, length: timedelta) -> None:
    async for moved in forwarder.forward(length):
        if moved.unsettled:
            raise InvalidRequestError(f"these do not come to rest: {', '.join(moved.unsettled)}")


def _describe(engine: Sequence[Observed], simulated: Sequence[Observed], zone: ZoneInfo, place: str) -> Iterator[str]:
    """Iterate over the differences by kind: the order within an instant is open."""
    for kind in get_args(ExpectedKind):
        ours, theirs = (
            sorted((one for one in observed if one.kind == kind), key=lambda found: found.at)
            for observed in (engine, simulated)
        )
        for number, is_later in list_unlike(ours, theirs, MAX_APART):
            has, other = (one[number].describe(zone) if number < len(one) else "nothing" for one in (ours, theirs))
            what = "only their times differ: " if is_later else ""
            yield f"{place}: {what}the engine has {has}, the simulator {other}"
