"""What a deployment lacks is one list, made from facts alone: each with its remedy, and in the order of mending."""

from dataclasses import replace

import pytest

from domain.deployment.findings import (
    MAX_REPORT_AGE,
    NEEDED_BY_API,
    NEEDED_BY_WORKER,
    Away,
    DatabaseFacts,
    DeploymentFinding,
    DeploymentPart,
    Facts,
    Reachable,
    TemporalFacts,
    WorkerReport,
    find_lacks,
)

DATABASE = DatabaseFacts("0012", "0012", True, 0.0)
TEMPORAL = TemporalFacts("default", True, {}, {})
WORKER = WorkerReport("host/1", 10.0, (), "mark")
WHOLE = Facts(database=DATABASE, temporal=TEMPORAL, smtp=Reachable(), workers=[WORKER], link_marks=["new", "mark"])


def only(facts: Facts) -> DeploymentFinding:
    [found] = find_lacks(facts)
    return found


def test_a_whole_deployment_lacks_nothing() -> None:
    assert find_lacks(WHOLE) == []
    assert find_lacks(Facts()) == []


@pytest.mark.parametrize(
    ("facts", "part", "problem", "remedy", "is_away"),
    [
        (
            replace(WHOLE, database=Away("the connection is refused")),
            DeploymentPart.DATABASE,
            "the database does not answer: the connection is refused",
            "start PostgreSQL, or correct SOJOURN_DATABASE_URL",
            True,
        ),
        (
            replace(WHOLE, database=replace(DATABASE, revision=None, is_migrated=False)),
            DeploymentPart.MIGRATIONS,
            "the database was never migrated, and this release needs 0012",
            "run `sojourn migrate`",
            False,
        ),
        (
            replace(WHOLE, database=replace(DATABASE, revision="0011", is_migrated=False)),
            DeploymentPart.MIGRATIONS,
            "the database is at revision 0011, and this release needs 0012",
            "run `sojourn migrate`",
            False,
        ),
        (
            replace(WHOLE, database=replace(DATABASE, missing_partition="events_2026_11")),
            DeploymentPart.PARTITIONS,
            "the partition events_2026_11 is missing, and its events go to the default one",
            "run `sojourn migrate`, or a worker, which makes it within the hour",
            False,
        ),
        (
            replace(WHOLE, database=replace(DATABASE, clock_ahead=12.4)),
            DeploymentPart.CLOCK,
            "the clock of this machine is 12 s ahead of the database's",
            "synchronise both by NTP",
            False,
        ),
        (
            replace(WHOLE, database=replace(DATABASE, clock_ahead=-5.1)),
            DeploymentPart.CLOCK,
            "the clock of this machine is 5 s behind the database's",
            "synchronise both by NTP",
            False,
        ),
        (
            replace(WHOLE, database=replace(DATABASE, outbox_seconds=75.0)),
            DeploymentPart.OUTBOX,
            "the oldest row of the outbox has waited for 75 s",
            "see that a worker runs and that it reaches Temporal",
            False,
        ),
        (
            replace(WHOLE, temporal=Away("its name is not known", "correct SOJOURN_TEMPORAL_ADDRESS")),
            DeploymentPart.TEMPORAL,
            "Temporal does not answer: its name is not known",
            "correct SOJOURN_TEMPORAL_ADDRESS",
            True,
        ),
        (
            replace(WHOLE, temporal=TemporalFacts("mine", False, {}, {})),
            DeploymentPart.NAMESPACE,
            "Temporal has no namespace mine",
            "run `temporal operator namespace create --namespace mine`, then `sojourn migrate`",
            False,
        ),
        (
            replace(WHOLE, temporal=replace(TEMPORAL, missing={"Campaign": "Keyword", "CampaignVersion": "Int"})),
            DeploymentPart.SEARCH_ATTRIBUTES,
            "Temporal does not know the search attributes Campaign, CampaignVersion",
            "run `sojourn migrate`, or `temporal operator search-attribute create --namespace default "
            "--name Campaign --type Keyword --name CampaignVersion --type Int`; "
            "in Temporal Cloud, add them on the page of the namespace",
            False,
        ),
        (
            replace(WHOLE, temporal=replace(TEMPORAL, mistyped={"Campaign": "Keyword"})),
            DeploymentPart.SEARCH_ATTRIBUTES,
            "the search attribute Campaign of Temporal is not of type Keyword",
            "choose another namespace, or rename that one and make Campaign as Keyword",
            False,
        ),
        (
            replace(
                WHOLE,
                database=replace(DATABASE, campaigns=["cart", "trial"]),
                temporal=replace(TEMPORAL, foreign_campaigns={"cart": "staging", "other": "staging"}),
            ),
            DeploymentPart.CAMPAIGNS,
            "the workflow of campaign cart belongs to task queue staging, so this deployment's never advances",
            "give each deployment a namespace of its own (SOJOURN_TEMPORAL_NAMESPACE); if SOJOURN_TASK_QUEUE was "
            "changed, run `temporal workflow terminate --namespace default --workflow-id campaign/cart`",
            False,
        ),
        (
            replace(WHOLE, database=Away("the user or password is wrong", "correct them", is_refusal=True)),
            DeploymentPart.DATABASE,
            "the database refuses us: the user or password is wrong",
            "correct them",
            False,
        ),
        (
            replace(WHOLE, smtp=Away("it refuses the login", "correct SOJOURN_SMTP_PASSWORD", is_refusal=True)),
            DeploymentPart.SMTP,
            "the mail server cannot be used: it refuses the login",
            "correct SOJOURN_SMTP_PASSWORD",
            False,
        ),
        (
            replace(
                WHOLE,
                temporal=Away("the credentials are not accepted", "correct SOJOURN_TEMPORAL_API_KEY", is_refusal=True),
            ),
            DeploymentPart.TEMPORAL,
            "Temporal refuses us: the credentials are not accepted",
            "correct SOJOURN_TEMPORAL_API_KEY",
            False,
        ),
        (
            replace(WHOLE, smtp=Away("there is no connection", "start it")),
            DeploymentPart.SMTP,
            "the mail server cannot be used: there is no connection",
            "start it",
            True,
        ),
        (replace(WHOLE, workers=[]), DeploymentPart.WORKER, "no worker has reported yet", "run `sojourn worker`", True),
        (
            replace(WHOLE, workers=[replace(WORKER, seconds_ago=MAX_REPORT_AGE + 1)]),
            DeploymentPart.WORKER,
            "no worker has reported for 181 s",
            "run `sojourn worker`",
            True,
        ),
        (
            replace(WHOLE, link_marks=["new"]),
            DeploymentPart.SECRETS,
            "a worker signs links with a secret that is not verified here",
            "give API and workers the same SOJOURN_LINK_SECRET",
            False,
        ),
    ],
)
def test_what_lacks_is_told_with_its_remedy(
    facts: Facts, part: DeploymentPart, problem: str, remedy: str, is_away: bool
) -> None:
    assert only(facts) == DeploymentFinding(part, problem, remedy, is_away)


def test_what_workers_report_is_told_once_and_what_gone_ones_did_is_not() -> None:
    away = DeploymentFinding(
        DeploymentPart.SMTP, "the mail server cannot be used: there is no connection", "start it", True
    )
    gone = DeploymentFinding(DeploymentPart.TEMPORAL, "Temporal does not answer: the call failed", "start it", True)
    reports = [
        WorkerReport("a/1", 1.0, [away], "mark"),
        WorkerReport("a/2", 2.0, [away], "mark"),
        WorkerReport("a/3", MAX_REPORT_AGE + 1, [gone], "another"),
    ]
    assert find_lacks(replace(WHOLE, workers=reports)) == [away]


def test_what_is_mended_first_is_told_first() -> None:
    setting = DeploymentFinding(DeploymentPart.SETTINGS, "SOJOURN_ADMIN_KEY is empty", "make one")
    facts = Facts(
        settings=[setting],
        database=replace(DATABASE, is_migrated=False, clock_ahead=60.0),
        temporal=Away("the call failed"),
        smtp=Away("TLS fails"),
        workers=[],
    )
    parts = [found.part for found in find_lacks(facts)]
    assert parts == [
        DeploymentPart.SETTINGS,
        DeploymentPart.MIGRATIONS,
        DeploymentPart.CLOCK,
        DeploymentPart.TEMPORAL,
        DeploymentPart.SMTP,
        DeploymentPart.WORKER,
    ]


def test_events_are_taken_in_whatever_else_lacks() -> None:
    assert {DeploymentPart.DATABASE, DeploymentPart.MIGRATIONS} == NEEDED_BY_API
    assert NEEDED_BY_API < NEEDED_BY_WORKER
    assert DeploymentPart.SMTP not in NEEDED_BY_WORKER
