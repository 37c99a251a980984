"""Alerts, dashboard and runbook speak of what a running dispatcher tells, and of each other. `.ci/ops` runs it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCRAPE = Path(os.environ["SCRAPE"]).read_text()
ALERTS = [rule for group in yaml.safe_load((ROOT / "ops/alerts.yaml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "ops/dashboard.json").read_text())
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
PAGE = "https://github.com/ViktorBarzin/t3-dispatcher/blob/main/docs/runbook.md"
NAME = r"\b(?:t3_dispatcher|process)_\w+"
MATCHER = re.compile(r'(\w+)(=~|=)"((?:[^"\\]|\\.)*)"')
# What Prometheus adds.
ADDED = {"job", "instance"}

FAMILIES = {line.split()[2] for line in SCRAPE.splitlines() if line.startswith("# TYPE ")}
SERIES = {}
for sample in SCRAPE.splitlines():
    if not sample.startswith("#"):
        name, labels = re.fullmatch(r"(\w+)(?:\{(.*)\})? \S+", sample).groups()
        SERIES.setdefault(name, []).append({key: value for key, _, value in MATCHER.findall(labels or "")})

PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(f"alert {rule['alert']}", rule["expr"]) for rule in ALERTS]
QUERIES += [(f"panel {panel['title']}", one["expr"]) for panel in PANELS for one in panel["targets"]]
QUERIES += [("runbook", query) for block in re.findall(r"```promql\n(.*?)```", RUNBOOK, re.DOTALL) for query in block.splitlines()]


def matched(series, label, wanted):
    """Which values of a label would be missed: no series has them."""
    values = {one.get(label, "") for one in series}
    return [one for one in wanted.split("|") if not any(re.fullmatch(one.replace("\\\\", "\\"), value) for value in values)]


@pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[where for where, _ in QUERIES])
def test_what_a_query_asks_for_is_there(query):
    selectors = re.findall(rf"({NAME})(?:\{{(.*?)\}})?", query)
    assert selectors
    for name, matchers in selectors:
        assert name in SERIES, name
        for label, _, wanted in MATCHER.findall(matchers):
            if label not in ADDED:
                assert not matched(SERIES[name], label, wanted), f"{name}: {label} is never {wanted}"


def test_prometheus_can_read_every_query(tmp_path):
    plain = {"$__rate_interval": "5m", "$__range": "1h", "$instance": ".*"}
    rules = []
    for number, (_, query) in enumerate(QUERIES):
        for variable, value in plain.items():
            query = query.replace(variable, value)
        rules.append({"record": f"query:{number}", "expr": query})
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([os.environ["PROMTOOL"], "check", "rules", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and f"{len(QUERIES)} rules" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule):
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"{PAGE}#{rule['alert'].lower()}"
    section = re.search(rf"^## {rule['alert']}\n(.*?)(?=^## |\Z)", RUNBOOK, re.DOTALL | re.MULTILINE)
    assert section, "no section in the runbook"
    for part in ("**It means**", "**Look**", "**Do**", "```promql"):
        assert part in section.group(1), part


def test_the_runbook_has_no_section_of_an_alert_that_is_gone():
    assert set(re.findall(r"^## (T3\w+)", RUNBOOK, re.MULTILINE)) == {rule["alert"] for rule in ALERTS}


def test_an_alert_has_a_test_of_its_own_in_which_it_fires_and_is_silent():
    tested = {}
    for path in (ROOT / "ops/tests").glob("*.yaml"):
        cases = [case for test in yaml.safe_load(path.read_text())["tests"] for case in test.get("alert_rule_test", [])]
        for case in cases:
            fires = bool(case["exp_alerts"])
            tested.setdefault(case["alertname"], {}).setdefault(fires, set()).add(path.name)
    assert set(tested) == {rule["alert"] for rule in ALERTS}
    files = [seen[True] | seen[False] for seen in tested.values()]
    assert all(len(one) == 1 for one in files) and len(set.union(*files)) == len(files)


def test_the_runbook_tells_every_metric_in_a_line():
    table = RUNBOOK.split("\n## Metrics\n")[1]
    told = re.findall(rf"^\| `({NAME})`", table, re.MULTILINE)
    assert sorted(told) == sorted(FAMILIES)
    for name in re.findall(rf"`({NAME})", RUNBOOK):
        assert name in FAMILIES or name in SERIES, name


def test_the_dashboard_is_whole():
    assert DASHBOARD["uid"] == "t3-dispatcher"
    variables = {one["name"]: one["type"] for one in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "instance": "query"}
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["People", "t3", "Requests", "Tunnels and drops", "Assets", "Process"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["description"], panel["title"]
        for one in [panel, *panel["targets"]]:
            assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


def test_the_dashboard_leaves_no_metric_out():
    shown = set(re.findall(NAME, json.dumps(DASHBOARD)))
    missing = [one for one in FAMILIES if not any(name.startswith(one) for name in shown)]
    assert not missing
