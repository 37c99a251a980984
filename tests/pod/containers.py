"""The pod's containers: as podman takes them, and started one after another as the kubelet does.

podman 4.3 knows no sidecar among the init containers, and runs no probe. So each container is one like any other to it,
and is started when the one before it has ended with success or, if it is a sidecar, when its startup probe succeeds.
"""

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

POD = "t3-afk-pod-0"


def podman(*arguments, timeout=60):
    # conmon writes into the folder that it is started in.
    folder = Path(os.environ["POD_DEPLOYMENT"]).parent
    return subprocess.run(["podman", *arguments], cwd=folder, capture_output=True, text=True, timeout=timeout)


def inspect(container, field):
    done = podman("inspect", "--format", "{{" + field + "}}", f"{POD}-{container}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def for_podman(deployment):
    """The deployment with init containers, sidecars and containers in one list."""
    spec = deployment["spec"]["template"]["spec"]
    spec["containers"] = spec.pop("initContainers") + spec["containers"]
    for one in spec["containers"]:
        # They would be published on the host; nothing of a test leaves its own network.
        one.pop("ports", None)
        one.pop("restartPolicy", None)
    # What ends is looked at.
    spec["restartPolicy"] = "Never"
    return deployment


def start(container):
    """Starts a container of the pod as it is in the manifest, and waits as long as the kubelet does."""
    name = f"{POD}-{container['name']}"
    if container["kind"] == "init":
        done = podman("start", "--attach", name)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return
    done = podman("start", name)
    assert done.returncode == 0, done.stderr
    if container["kind"] == "sidecar":
        probe = container["startupProbe"]
        assert any(succeeds(probe) for _ in range(probe["failureThreshold"])), podman("logs", name).stdout


def succeeds(probe):
    """One attempt of an `httpGet` probe; after a failure, its period has passed."""
    began = time.monotonic()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", probe["httpGet"]["port"], timeout=probe.get("timeoutSeconds", 1))
        connection.request("GET", probe["httpGet"]["path"])
        if 200 <= connection.getresponse().status < 400:
            return True
    except OSError:
        pass
    time.sleep(max(0, began + probe["periodSeconds"] - time.monotonic()))
    return False


def in_order(deployment):
    """The containers in the order of their start, each with its `kind`: init, sidecar, main."""
    spec = deployment["spec"]["template"]["spec"]
    first = [one | {"kind": "sidecar" if one.get("restartPolicy") == "Always" else "init"} for one in spec["initContainers"]]
    return first + [one | {"kind": "main"} for one in spec["containers"]]


if __name__ == "__main__":
    rendered = yaml.safe_load_all(sys.stdin)
    (deployment,) = [item for item in rendered if item and item["kind"] == "Deployment"]
    yaml.safe_dump(for_podman(deployment), sys.stdout)
