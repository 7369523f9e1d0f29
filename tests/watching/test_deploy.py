"""What deploy/ and docs/operations.md say of metrics is true of the running processes."""

import json
import re
from typing import Any

import pytest
import yaml

from tests.processes import ROOT
from tests.watching.conftest import Watched
from tests.watching.promql import metrics_of
from tests.watching.scrapes import samples

DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "operations.md").read_text()
DASHBOARD = json.loads((DEPLOY / "grafana" / "sojourn.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES = [rule for group in ALERTS for rule in group["rules"]]
# Prometheus makes it itself.
OF_PROMETHEUS = {"up"}
# Gauges, of which 0 is an answer.
SHOWN_AT_ZERO = {
    "sojourn_client_streams",
    "sojourn_journeys_active",
    "sojourn_operations_failing",
    "sojourn_provider_circuits_open",
    "sojourn_providers_paused",
    "sojourn_approvals_waiting",
    "sojourn_database_pool_waiting",
    "sojourn_database_pool_connections_in_use",
}


def names(watched: Watched) -> set[str]:
    return {name for name, _ in samples(watched.metrics)} | OF_PROMETHEUS


@pytest.mark.parametrize(
    ("expression", "read"),
    [
        (
            "sum by (le, job) (rate(a_bucket{le=\"b\", x!~'c'}[$__rate_interval])) / on (d) group_left (e) f:g",
            "a_bucket f:g",
        ),
        ("histogram_quantile(0.99, sum by (le) (rate(a_bucket[5m]))) > 1e3", "a_bucket"),
        ("time() - max(a) > 120 or absent(b)", "a b"),
        ("a unless a offset 15m > 0", "a"),
        ("avg without (x) (a) > bool 2", "a"),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression: str, read: str) -> None:
    assert metrics_of(expression) == set(read.split())


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_the_dashboard_shows_what_there_is(watched: Watched, panel: dict[str, Any]) -> None:
    read = [metrics_of(target["expr"]) for target in panel["targets"]]
    assert all(read)
    assert set().union(*read) <= names(watched)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_looks_at_what_there_is(watched: Watched, rule: dict[str, Any]) -> None:
    read = metrics_of(rule["expr"])
    assert read
    assert read <= names(watched)


def test_every_alert_has_its_line_in_the_runbook_and_every_line_its_alert() -> None:
    page = PAGE[PAGE.index("## Alerts") : PAGE.index("## In the Temporal UI")]
    explained = {title.lower() for title in re.findall(r"^### (\w+)$\n\n\S", page, re.MULTILINE)}
    assert {rule["annotations"]["runbook_url"] for rule in RULES} == {
        f"docs/operations.md#{anchor}" for anchor in explained
    }
    for rule in RULES:
        assert rule["annotations"]["runbook_url"].endswith(f"#{rule['alert'].lower()}")
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_page_names_every_metric_and_where_it_comes_from(watched: Watched) -> None:
    table = dict(re.findall(r"^\| `(sojourn_\w+)` \| (API|worker|both) \|", PAGE, re.MULTILINE))
    of_api, of_worker = (families(text) for text in (watched.api_metrics, watched.worker_metrics))
    assert table.keys() == {name for name in of_api | of_worker if name.startswith("sojourn_")}
    for name, source in table.items():
        assert (name in of_api, name in of_worker) == (source != "worker", source != "API"), name


def families(text: str) -> set[str]:
    """The metrics with samples, histograms by their own name. One without labels is shown before it has counted any."""
    read = samples(text)
    idle = {name.removesuffix("_count") for (name, labels), value in read.items() if value == 0 and not labels}
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in read} - (idle - SHOWN_AT_ZERO)


def test_panels_do_not_overlap_and_are_told_apart() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_what_is_provisioned_is_there() -> None:
    for service in ("prometheus", "grafana"):
        for volume in COMPOSE["services"][service]["volumes"]:
            source = volume.partition(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    [provider] = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/sojourn.yaml").read_text())["providers"]
    mounted = [volume.split(":")[1] for volume in COMPOSE["services"]["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/sojourn.json" in mounted


def test_prometheus_scrapes_where_the_services_answer() -> None:
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    for job in configuration["scrape_configs"]:
        [discovery] = job["dns_sd_configs"]
        [service] = discovery["names"]
        address = COMPOSE["services"][service]["environment"]["SOJOURN_METRICS_ADDRESS"]
        assert address == f"0.0.0.0:{discovery['port']}"
        assert job["job_name"] == f"sojourn-{service}"
