"""Findings about a deployment, for `sojourn check`, `/readyz` and workers.

Callers gather the facts that concern them. Problems and remedies contain no secret and no address, since `/readyz`
shows them without a key: they name the setting. Details are for logs and terminals.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

# A smaller difference changes no decision of note; receivers of webhooks allow five minutes. Seconds.
MAX_CLOCK_DIFFERENCE: Final = 5.0
# Far longer than a healthy relay takes, or waits before a retry. Seconds.
MAX_OUTBOX_WAIT: Final = 60.0
# The interval of a worker's reports, and the age after which a worker counts as gone. Seconds.
REPORT_INTERVAL: Final = 60.0
MAX_REPORT_AGE: Final = 3 * REPORT_INTERVAL


class DeploymentPart(StrEnum):
    """A part of a deployment, in the order of repair."""

    SETTINGS = "settings"
    DATABASE = "database"
    MIGRATIONS = "migrations"
    PARTITIONS = "partitions"
    CLOCK = "clock"
    TEMPORAL = "temporal"
    NAMESPACE = "namespace"
    SEARCH_ATTRIBUTES = "search_attributes"
    CAMPAIGNS = "campaigns"
    SMTP = "smtp"
    SECRETS = "secrets"
    WORKER = "worker"
    OUTBOX = "outbox"


# The API needs only these to accept events.
NEEDED_BY_API: Final = frozenset({DeploymentPart.DATABASE, DeploymentPart.MIGRATIONS})
# A worker can do nothing without these. Without a mail server, only mails are late.
NEEDED_BY_WORKER: Final = NEEDED_BY_API | {
    DeploymentPart.TEMPORAL,
    DeploymentPart.NAMESPACE,
    DeploymentPart.SEARCH_ATTRIBUTES,
}


@dataclass(frozen=True, slots=True)
class DeploymentFinding:
    """One thing that a deployment lacks. `is_away`: waiting may help."""

    part: DeploymentPart
    problem: str
    remedy: str
    is_away: bool = False
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}"


@dataclass(frozen=True, slots=True)
class Away:
    """A server that cannot be used: the reason, and a remedy if it is a special one.

    `is_refusal`: the server answers and refuses the settings, so waiting does not help.
    """

    reason: str
    remedy: str | None = None
    detail: str = ""
    is_refusal: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Facts about the database. `clock_ahead` is this machine's lead in seconds."""

    revision: str | None
    needed_revision: str
    is_migrated: bool
    clock_ahead: float
    missing_partition: str | None = None
    outbox_seconds: float = 0.0
    campaigns: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class TemporalFacts:
    """Facts about Temporal. `missing` and `mistyped` map search attributes to types.

    `foreign_campaigns`: task queues of other deployments whose campaigns run in the namespace, by campaign key.
    """

    namespace: str
    has_namespace: bool
    missing: Mapping[str, str]
    mistyped: Mapping[str, str]
    foreign_campaigns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reachable:
    """A server that answers; nothing else is asked."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """A worker's last report. `link_mark` identifies its secret for unsubscribe links."""

    worker: str
    seconds_ago: float
    findings: Sequence[DeploymentFinding]
    link_mark: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts, None if not gathered. `link_marks` are of secrets verified here."""

    settings: Sequence[DeploymentFinding] = ()
    database: DatabaseFacts | Away | None = None
    temporal: TemporalFacts | Away | None = None
    smtp: Reachable | Away | None = None
    workers: Sequence[WorkerReport] | None = None
    link_marks: Sequence[str] = ()


def find_lacks(facts: Facts) -> list[DeploymentFinding]:
    """List everything that the deployment lacks, in the order of the parts."""
    found = [
        *facts.settings,
        *_check_database(facts.database),
        *_check_temporal(facts.temporal),
        *_check_shared_namespace(facts.database, facts.temporal),
        *_check_smtp(facts.smtp),
        *_check_workers(facts.workers, facts.link_marks),
    ]
    order = list(DeploymentPart)
    return sorted(dict.fromkeys(found), key=lambda finding: order.index(finding.part))


def _check_database(facts: DatabaseFacts | Away | None) -> Iterable[DeploymentFinding]:
    if facts is None:
        return
    if isinstance(facts, Away):
        remedy = facts.remedy or "start PostgreSQL, or correct SOJOURN_DATABASE_URL"
        problem = f"the database {'refuses us' if facts.is_refusal else 'does not answer'}: {facts.reason}"
        yield DeploymentFinding(
            DeploymentPart.DATABASE, problem, remedy, is_away=not facts.is_refusal, detail=facts.detail
        )
        return
    if not facts.is_migrated:
        at = f"is at revision {facts.revision}" if facts.revision else "was never migrated"
        problem = f"the database {at}, and this release needs {facts.needed_revision}"
        yield DeploymentFinding(DeploymentPart.MIGRATIONS, problem, "run `sojourn migrate`")
    if facts.missing_partition is not None:
        problem = f"the partition {facts.missing_partition} is missing, and its events go to the default one"
        yield DeploymentFinding(
            DeploymentPart.PARTITIONS, problem, "run `sojourn migrate`, or a worker, which makes it within the hour"
        )
    if abs(facts.clock_ahead) > MAX_CLOCK_DIFFERENCE:
        side = "ahead of" if facts.clock_ahead > 0 else "behind"
        problem = f"the clock of this machine is {abs(facts.clock_ahead):.0f} s {side} the database's"
        yield DeploymentFinding(DeploymentPart.CLOCK, problem, "synchronise both by NTP")
    if facts.outbox_seconds > MAX_OUTBOX_WAIT:
        problem = f"the oldest row of the outbox has waited for {facts.outbox_seconds:.0f} s"
        yield DeploymentFinding(DeploymentPart.OUTBOX, problem, "see that a worker runs and that it reaches Temporal")


def _check_temporal(facts: TemporalFacts | Away | None) -> Iterable[DeploymentFinding]:
    if facts is None:
        return
    if isinstance(facts, Away):
        remedy = facts.remedy or "start Temporal, or correct SOJOURN_TEMPORAL_ADDRESS or TEMPORAL_ADDRESS"
        problem = f"Temporal {'refuses us' if facts.is_refusal else 'does not answer'}: {facts.reason}"
        yield DeploymentFinding(
            DeploymentPart.TEMPORAL, problem, remedy, is_away=not facts.is_refusal, detail=facts.detail
        )
        return
    if not facts.has_namespace:
        remedy = f"run `temporal operator namespace create --namespace {facts.namespace}`, then `sojourn migrate`"
        yield DeploymentFinding(DeploymentPart.NAMESPACE, f"Temporal has no namespace {facts.namespace}", remedy)
        return
    if facts.missing:
        problem = f"Temporal does not know the search attributes {', '.join(facts.missing)}"
        remedy = explain_attributes(facts.namespace, facts.missing)
        yield DeploymentFinding(DeploymentPart.SEARCH_ATTRIBUTES, problem, remedy)
    for name, type in facts.mistyped.items():
        remedy = f"choose another namespace, or rename that one and make {name} as {type}"
        yield DeploymentFinding(
            DeploymentPart.SEARCH_ATTRIBUTES, f"the search attribute {name} of Temporal is not of type {type}", remedy
        )


def _check_shared_namespace(
    database: DatabaseFacts | Away | None, temporal: TemporalFacts | Away | None
) -> Iterable[DeploymentFinding]:
    """Find campaigns whose workflow, named by the key, belongs to another deployment."""
    if not isinstance(database, DatabaseFacts) or not isinstance(temporal, TemporalFacts):
        return
    for key in sorted(temporal.foreign_campaigns.keys() & set(database.campaigns)):
        queue = temporal.foreign_campaigns[key]
        yield DeploymentFinding(
            DeploymentPart.CAMPAIGNS,
            f"the workflow of campaign {key} belongs to task queue {queue}, so this deployment's never advances",
            "give each deployment a namespace of its own (SOJOURN_TEMPORAL_NAMESPACE); if SOJOURN_TASK_QUEUE was "
            f"changed, run `temporal workflow terminate --namespace {temporal.namespace} --workflow-id campaign/{key}`",
        )


def explain_attributes(namespace: str, attributes: Mapping[str, str]) -> str:
    """Explain how to add search attributes, by Sojourn or with Temporal's command."""
    options = " ".join(f"--name {name} --type {type}" for name, type in attributes.items())
    command = f"temporal operator search-attribute create --namespace {namespace} {options}"
    return f"run `sojourn migrate`, or `{command}`; in Temporal Cloud, add them on the page of the namespace"


def _check_smtp(facts: Reachable | Away | None) -> Iterable[DeploymentFinding]:
    if isinstance(facts, Away):
        remedy = facts.remedy or "start the mail server, or correct SOJOURN_SMTP_HOST, _PORT, _SECURITY or _USERNAME"
        problem = f"the mail server cannot be used: {facts.reason}"
        yield DeploymentFinding(DeploymentPart.SMTP, problem, remedy, is_away=not facts.is_refusal, detail=facts.detail)


def _check_workers(reports: Sequence[WorkerReport] | None, link_marks: Sequence[str]) -> Iterable[DeploymentFinding]:
    if reports is None:
        return
    fresh = [report for report in reports if report.seconds_ago <= MAX_REPORT_AGE]
    if not fresh:
        since = f"for {min(report.seconds_ago for report in reports):.0f} s" if reports else "yet"
        yield DeploymentFinding(
            DeploymentPart.WORKER, f"no worker has reported {since}", "run `sojourn worker`", is_away=True
        )
    for report in fresh:
        yield from report.findings
        if link_marks and report.link_mark not in link_marks:
            problem = "a worker signs links with a secret that is not verified here"
            yield DeploymentFinding(
                DeploymentPart.SECRETS, problem, "give API and workers the same SOJOURN_LINK_SECRET"
            )
