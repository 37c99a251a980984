"""What kustomize makes of the manifests, and how a value in it is found."""

import os
import subprocess
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "k8s/base"
OVERLAY = ROOT / "k8s/overlays/t3-afk"
# .ci/deploy says which; by hand, whatever is on the PATH.
KUBECTL = os.environ.get("KUBECTL", "kubectl")


@cache
def text(folder=OVERLAY):
    """The rendered manifests."""
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(folder=OVERLAY):
    """The rendered objects by `Kind/name`."""
    found = [item for item in yaml.safe_load_all(text(folder)) if item]
    named = {f"{item['kind']}/{item['metadata']['name']}": item for item in found}
    assert len(named) == len(found), "two objects of one kind and name"
    return named


def at(value, steps):
    """The value at the end of the steps: keys, or names of a list's entries."""
    for step in steps:
        if isinstance(value, list):
            named = [item for item in value if step in (item.get("name"), item.get("mountPath"))]
            assert len(named) == 1, f"{len(named)} entries are called {step}"
            value = named[0]
        else:
            value = value[step]
    return value


def pod(folder=OVERLAY):
    """The pod's specification."""
    return objects(folder)["Deployment/t3-afk"]["spec"]["template"]["spec"]


def container(name, folder=OVERLAY):
    """A container of the pod, init or not."""
    spec = pod(folder)
    return at(spec["containers"] + spec["initContainers"], [name])
