"""The alert rules: Prometheus takes them, each fires and keeps quiet when it should, and the runbook knows it."""

import re
from pathlib import Path

import httpx
import pytest
import yaml

from tests.prometheus import CONFIGURATION, needed, promtool
from tests.watch.conftest import MEASURED, Watched, measures

ROOT = Path(__file__).parents[2]
TESTS = sorted((ROOT / "tests/alerts").glob("*.yml"))
RULES = sorted((CONFIGURATION.parent / "rules").glob("*.yml"))
ALERTS = {
    rule["alert"]: rule
    for file in RULES
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


@needed
def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    promtool("check", "config", CONFIGURATION)
    promtool("check", "rules", *RULES)


@needed
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_each_alert_fires_and_keeps_quiet_when_it_should(file: Path) -> None:
    promtool("test", "rules", file)


def test_each_alert_is_shown_to_fire_and_to_keep_quiet() -> None:
    fires, quiet = set(), set()
    for test in (test for file in TESTS for test in yaml.safe_load(file.read_text())["tests"]):
        watched = set(_subjects(" ".join(one["series"] for one in test["input_series"])))
        shown = [(one["alertname"], str(one.get("exp_alerts", ""))) for one in test.get("alert_rule_test", ())]
        for one in test.get("promql_expr_test", ()):
            expected = " ".join(sample["labels"] for sample in one["exp_samples"])
            shown += [(alert, expected) for alert in re.findall(r'alertname="(\w+)"', one["expr"])]
        for alert, expected in shown:
            if expected:
                fires.add(alert)
            if watched - set(_subjects(expected)):
                quiet.add(alert)
    assert fires == quiet == set(ALERTS)


def _subjects(labels: str) -> list[str]:
    """Whom labels speak of, as series or as a dictionary: replicas, models and workers."""
    return re.findall(r"\b(?:instance|model|worker)\b'?[=:] ?[\"']([^\"']+)", labels)


def test_the_rules_ask_only_for_what_the_service_measures() -> None:
    for file in RULES:
        assert measures(file.read_text()) <= MEASURED, file.name


def test_each_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        document, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        headings = re.findall(r"(?m)^#+ (.+)$", (ROOT / document).read_text())
        assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, name


def test_the_runbook_knows_no_other_alerts() -> None:
    told = re.findall(r"(?m)^#+ (Ganymede\w+)$", (ROOT / "docs/runbook.md").read_text())
    assert sorted(told) == sorted(ALERTS)


@needed
def test_no_alert_fires_while_the_service_does_what_it_should(watched: Watched) -> None:
    groups = watched.prometheus.api("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"] if rule["type"] == "alerting"]
    assert {rule["name"] for rule in rules} == set(ALERTS)
    assert {rule["name"]: rule["health"] for rule in rules if rule["health"] == "err"} == {}
    assert watched.prometheus.firing() == set()


@needed
def test_the_metrics_are_as_promtool_wants_them(watched: Watched) -> None:
    told = httpx.get(f"{watched.url}/metrics", headers={"Authorization": f"Bearer {watched.token}"})
    assert promtool("check", "metrics", given=told.raise_for_status().text) == ""
