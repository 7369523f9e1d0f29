"""No module but a channel's own asks which channel it is; constraints of the database list states and no kinds."""

import ast
import re
from collections.abc import Iterator
from typing import get_args

from sqlalchemy import CheckConstraint

from api.recipient_pages.texts import LANGUAGES
from domain.campaign.approvals import ApprovalDecision
from domain.campaign.life import CampaignState
from domain.campaign.plan import MessagePriority
from domain.channels.kinds import CHANNELS
from domain.journey.reconciliation import ReconciliationState
from domain.journey.state import JourneyStatus, StoredState
from domain.operations import OperationState
from domain.sending.claim import MessageState
from store.tables import metadata
from tests.prose import ROOT, product_files


def compared(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The texts that a module compares a value with, or looks for among several, each with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=right):
                operands = [left, *right]
            case ast.MatchValue(value=value):
                operands = [value]
            case _:
                continue
        for operand in operands:
            held = operand.elts if isinstance(operand, ast.Tuple | ast.List | ast.Set) else [operand]
            for each in held:
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.lineno, each.value


def is_own(place: str, channel: str) -> bool:
    folders = (f"domain/channels/{channel}/", f"channels/{channel}/")
    return place == f"domain/channels/{channel}.py" or place.startswith(folders)


def test_no_channel_is_compared_by_name_outside_its_module() -> None:
    found = [
        f"{place}:{line}: {text}"
        for file in product_files()
        for place in [str(file.relative_to(ROOT))]
        for line, text in compared(ast.parse(file.read_text()))
        if text in CHANNELS and not is_own(place, text)
    ]
    assert found == []


def test_a_comparison_by_name_is_found() -> None:
    sources = (
        'channel == "email"',
        '"email" != step.channel',
        'channel in ("push", "email")',
        '"email" in providers',
        'match channel:\n    case "email" | "push":\n        pass',
    )
    assert all("email" in [text for _, text in compared(ast.parse(source))] for source in sources)
    assert list(compared(ast.parse('traits["email"]\ncall("email")'))) == []


def test_no_constraint_lists_kinds() -> None:
    constraints = [
        f"{table.name}: {constraint.sqltext}"
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    ]
    assert len(constraints) > 3
    listing = re.compile(r"\b(kind|channel|provider|action|type|category)\b[^,]*(\bIN\b|=\s*ANY|=\s*')", re.IGNORECASE)
    assert [each for each in constraints if listing.search(each)] == []


def test_the_states_of_the_database_are_those_of_the_types() -> None:
    """A state that only one of the two knows is refused, or never written."""
    listed = re.compile(r"^(\w+) IN \(([^)]*)\)$")
    found = {
        f"{table.name}.{match[1]}": set(re.findall(r"'(\w+)'", match[2]))
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint) and (match := listed.match(str(constraint.sqltext)))
    }
    types = {
        "approvals.decision": ApprovalDecision,
        "campaigns.state": CampaignState,
        "journeys.state": StoredState,
        "journeys.status": JourneyStatus,
        "messages.state": MessageState,
        "messages.priority": MessagePriority,
        "operations.state": OperationState,
        "reconciliations.state": ReconciliationState,
    }
    # Of one address of a message: what its attempt came to, without the states of the ledger.
    assert found.pop("deliveries.state") == {"sent", "failed", "unknown", "waiting"}
    assert found == {column: set(get_args(type)) for column, type in types.items()}


def test_recipients_read_of_each_channel_by_its_word() -> None:
    missing = {one.language: set(CHANNELS) - set(one.channels) for one in LANGUAGES.values()}
    assert not any(missing.values()), missing
