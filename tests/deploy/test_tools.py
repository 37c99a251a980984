"""What the tools say of the manifests, the image's recipe and the workflow; excuses by name (excused.yaml)."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from rendering import BASE, OVERLAY, ROOT, objects

KUBERNETES = "1.34"
# Of no core API group: their schemas are in their operators' charts.
CUSTOM = {"ExternalSecret", "Middleware"}
TOOLS = Path(sys.executable).parent
EXCUSED = yaml.safe_load((ROOT / "tests/deploy/excused.yaml").read_text())
OURS = {"dispatcher", "install-dispatcher"}


@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=["base", "overlay"])
def test_kubernetes_takes_every_core_object(folder):
    for name, item in objects(folder).items():
        if item["kind"] not in CUSTOM:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)


def scan(framework, path):
    """The checks of one framework that failed on a file, as check and resource; some must have passed."""
    command = [TOOLS / "checkov", "--framework", framework, "--file", path, "--skip-download", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | {"LOG_LEVEL": "ERROR"})
    report = json.loads(done.stdout)
    assert report.get("summary", {}).get("passed"), f"nothing was checked: {done.stdout}{done.stderr}"
    assert not report["summary"]["parsing_errors"]
    return {(one["check_id"], one["resource"]) for one in report["results"]["failed_checks"]}


def judge(scope, failed):
    """A failure without an excuse is one, and so is an excuse without a failure."""
    named = {check for check, _ in failed}
    excused = set(EXCUSED[scope])
    assert not named - excused, sorted(one for one in failed if one[0] not in excused)
    assert not excused - named, "excused, but nothing fails any more"


def kubernetes(tmp_path, items):
    path = tmp_path / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(items))
    return scan("kubernetes", path)


def test_checkov_on_the_manifests(tmp_path):
    failed = kubernetes(tmp_path, objects().values())
    judge("pod", failed)
    # Whatever is excused, is so for the pod alone.
    assert {resource for _, resource in failed} == {"Deployment.t3-afk.t3-afk"}


def test_checkov_on_what_is_ours_alone(tmp_path):
    deployment = copy.deepcopy(objects()["Deployment/t3-afk"])
    spec = deployment["spec"]["template"]["spec"]
    ours = [one for one in spec["initContainers"] if one["name"] in OURS]
    # They want probes of containers alone, and know no sidecar among the others.
    spec["initContainers"], spec["containers"] = ours[:1], ours[1:]
    assert len(ours) == 2
    judge("dispatcher", kubernetes(tmp_path, [deployment, objects()["NetworkPolicy/t3-afk"]]))


def test_checkov_on_the_image_s_recipe():
    judge("Dockerfile", scan("dockerfile", ROOT / "Dockerfile"))


def test_checkov_on_the_workflow():
    judge("workflow", scan("github_actions", ROOT / ".github/workflows/ci.yaml"))


def test_hadolint_on_the_image_s_recipe():
    done = subprocess.run([TOOLS / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr
