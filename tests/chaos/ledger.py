"""The journal of the database gone through in its order: what was claimed, ended, paused and counted when."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.campaigns import CAP
from tests.chaos.history import Note

COUNTING = frozenset({"reserved", "sending", "sent", "unknown"})
# The states of a fallback in which it may have been sent.
FOLLOWING = frozenset({"sending", "sent", "unknown"})


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, by its name, and what shows it."""

    kind: str
    said: str


class Ledger:
    """What the notes say.

    `claims` and `repeats` are the notes of the attempts of each message: all, and those that found it in the hands of
    an attempt before. `handed` are the notes of all grants and claims. `ended` has the note that ended a journey,
    `stopped` the one that ended a version of a campaign at once; `capped` the journeys and steps whose message a cap
    refused, and `pauses` the notes that paused a provider's marketing. `given` are the messages that pages were given,
    and `followed` those in whose place another one may have been sent. `violations` is what is wrong in itself.
    """

    def __init__(self, notes: Iterable[Note]) -> None:
        self.claims: dict[str, list[Note]] = defaultdict(list)
        self.repeats: dict[str, list[Note]] = defaultdict(list)
        self.handed: list[Note] = []
        self.ended: dict[str, Note] = {}
        self.stopped: dict[tuple[str, int], Note] = {}
        self.capped: set[tuple[str, str]] = set()
        self.pauses: list[Note] = []
        self.given: dict[str, str] = {}
        self.followed: set[str] = set()
        self.violations: list[Violation] = []
        self._campaigns: dict[str, list[Note]] = defaultdict(list)
        self._versions: dict[str, tuple[str, int]] = {}
        self._states: dict[str, str] = {}
        self._shown: set[str] = set()
        self._counting: set[str] = set()
        self._counted: Counter[str] = Counter()
        self._paused: set[str] = set()
        for note in notes:
            match note.kind:
                case "campaigns":
                    self._campaign(note)
                case "journeys":
                    self._journey(note)
                case "messages":
                    self._message(note)
                case "decisions":
                    self._capped(note)
                case "provider_pauses":
                    self._pause(note)

    def was(self, campaign: str, state: str, between: tuple[float, float]) -> bool:
        """Whether a campaign came to a state between two instants of the machine's clock."""
        return any(
            note.row["state"] == state and between[0] <= note.at <= between[1] for note in self._campaigns[campaign]
        )

    def _campaign(self, note: Note) -> None:
        self._campaigns[note.row["key"]].append(note)
        for version in note.row["exiting"]:
            self.stopped.setdefault((note.row["key"], version), note)

    def _journey(self, note: Note) -> None:
        id, campaign, version = note.row["id"], note.row["campaign_key"], note.row["campaign_version"]
        if self._versions.setdefault(id, (campaign, version)) != (campaign, version):
            self._check_passage(id, campaign, version)
        self._versions[id] = (campaign, version)
        if note.row["state"] != "active":
            self.ended.setdefault(id, note)

    def _message(self, note: Note) -> None:
        row = note.row
        id, state = row["id"], row["state"]
        before = self._states.get(id)
        self._states[id] = state
        if row["category"] == "marketing":
            self._count(row)
        if state == "sending" or (state == "reserved" and before in (None, "cancelled")):
            self.handed.append(note)
            if row["category"] == "marketing" and row["provider"] in self._paused:
                self._wrong("granted-in-pause", f"{id} became {state} while {row['provider']} was paused")
        if state == "sending":
            self.claims[id].append(note)
            if before == "sending":
                self.repeats[id].append(note)
            self._check_claim(note)
        self._follow(row)
        if row["opened_at"] is not None:
            self._shown.add(id)
        if row["given_at"] is not None and row["given_at"] != self.given.get(id):
            self._check_given(note)
            self.given[id] = row["given_at"]

    def _count(self, row: Mapping[str, Any]) -> None:
        """Count a message of marketing; one for the inbox counts once it is given."""
        id, profile = row["id"], row["profile_id"]
        is_counted = row["state"] in COUNTING and row["is_counted"]
        if is_counted == (id in self._counting):
            return
        self._counting ^= {id}
        self._counted[profile] += 1 if is_counted else -1
        if is_counted and self._counted[profile] > CAP:
            kind = "given-beyond-cap" if row["channel"] == "in_app" else "cap-exceeded"
            self._wrong(kind, f"{id} is number {self._counted[profile]} of {profile}, and the cap is {CAP}")

    def _follow(self, row: Mapping[str, Any]) -> None:
        """Note the fallback of a message, which withdraws it unless it certainly failed."""
        if (first := row["fallback_of"]) is None:
            return
        if row["state"] == "sending" and first in self._shown:
            self._wrong("fallback-after-shown", f"{row['id']} was claimed after {first} was reported as shown")
        if row["state"] in FOLLOWING:
            self.followed.add(first)
        else:
            self.followed.discard(first)

    def _check_given(self, note: Note) -> None:
        id, journey, campaign = note.row["id"], note.row["journey_id"], note.row["campaign_key"]
        if id in self.given:
            self._wrong("given-twice", f"{id} was given at {self.given[id]} and at {note.row['given_at']}")
        if journey in self.ended and self.ended[journey].row["state"] == "exited":
            self._wrong("given-after-exit", f"{id} was given after its journey had ended")
        if self._versions.get(journey) in self.stopped:
            self._wrong("given-after-stop", f"{id} was given after its campaign had been stopped")
        if self._campaigns[campaign] and self._campaigns[campaign][-1].row["state"] == "paused":
            self._wrong("given-in-pause", f"{id} was given while {campaign} was paused")
        if id in self.followed:
            self._wrong("given-after-fallback", f"{id} was given after its fallback had been claimed")

    def _check_claim(self, note: Note) -> None:
        id, journey, campaign = note.row["id"], note.row["journey_id"], note.row["campaign_key"]
        if journey in self.ended:
            self._wrong("sent-after-exit", f"{id} was claimed after its journey had ended")
        if self._versions.get(journey) in self.stopped:
            self._wrong("sent-after-stop", f"{id} was claimed after its campaign had been stopped")
        if self._campaigns[campaign] and self._campaigns[campaign][-1].row["state"] == "paused":
            self._wrong("sent-in-pause", f"{id} was claimed while {campaign} was paused")

    def _check_passage(self, id: str, campaign: str, version: int) -> None:
        if id in self.ended or self._versions[id] in self.stopped:
            self._wrong("moved-astray", f"{id} was moved to version {version} after it had ended")
        elif (runs := self._campaigns[campaign][-1].row["running_version"]) != version:
            self._wrong("moved-astray", f"{id} was moved to version {version} of {campaign}, which ran {runs}")

    def _capped(self, note: Note) -> None:
        self.capped.add((note.row["journey_id"], note.row["step"]))
        if (count := self._counted[note.row["profile_id"]]) < CAP:
            self._wrong("capped-without-reason", f"{note.row['id']} was refused with {count} of {CAP}")

    def _pause(self, note: Note) -> None:
        if note.row["resumed_at"] is None:
            self.pauses.append(note)
            self._paused.add(note.row["provider"])
        else:
            self._paused.discard(note.row["provider"])

    def _wrong(self, kind: str, said: str) -> None:
        self.violations.append(Violation(kind, said))
