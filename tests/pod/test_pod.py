"""The pod as podman runs it: whoever comes is paired, the dispatcher is confined and bounded, and it leaves in order."""

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from visitors import FETCH, PAGE, get, is_signed_in, load_page
from websocket import WebSocket

POD = "t3-afk-pod-0"
LIMIT = 256 * 1024 * 1024


def podman(*arguments, timeout=60):
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=timeout)


def inspect(container, field):
    done = podman("inspect", "--format", "{{" + field + "}}", f"{POD}-{container}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module", autouse=True)
def up():
    """The pod serves."""
    deadline = time.monotonic() + 30
    while True:
        try:
            assert get("/healthz", {})[0].status == 200
            return
        except OSError:
            assert time.monotonic() < deadline, podman("logs", f"{POD}-dispatcher").stdout
            time.sleep(0.1)


@pytest.fixture(scope="module")
def status():
    """What the kernel says of the dispatcher's process."""
    lines = Path(f"/proc/{inspect('dispatcher', '.State.Pid')}/status").read_text().splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


@pytest.fixture(scope="module")
def memory():
    """The dispatcher's memory cgroup: a function from a file's names, in version 1 and 2, to its text."""
    own = Path(f"/proc/{inspect('dispatcher', '.State.Pid')}/cgroup").read_text().splitlines()
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in own)}
    folder = Path("/sys/fs/cgroup/memory" + paths["memory"]) if "memory" in paths else Path("/sys/fs/cgroup" + paths[""])
    if not any((folder / name).exists() for name in ("memory.limit_in_bytes", "memory.max")):
        pytest.skip("this machine's cgroups bound no memory")

    def read(*names):
        return next((folder / name).read_text() for name in names if (folder / name).exists())

    return read


def oom_kills(memory):
    words = memory("memory.oom_control", "memory.events").split()
    return int(words[words.index("oom_kill") + 1])


def test_twenty_page_loads_at_once_are_all_paired(memory):
    """First, while the CLI's one run of the start may still be under way."""
    with ThreadPoolExecutor(20) as pool:
        began = time.monotonic()
        people = list(pool.map(lambda _: load_page(), range(20)))
        took = time.monotonic() - began
    assert len({person["Cookie"] for person in people}) == 20 and all(map(is_signed_in, people))
    assert oom_kills(memory) == 0
    peak = int(memory("memory.max_usage_in_bytes", "memory.peak"))
    print(f"twenty page loads: {took:.1f} s, {peak / 2**20:.0f} MiB at the peak of 256")


def test_the_binary_came_out_of_its_image():
    assert inspect("install-dispatcher", ".State.ExitCode") == "0"
    assert podman("exec", f"{POD}-dispatcher", "stat", "-c", "%a %u", "/dispatcher/t3-dispatcher").stdout == "755 1000\n"


def test_the_image_is_the_binary_alone_and_small():
    config = json.loads(podman("image", "inspect", os.environ["POD_IMAGE"]).stdout)[0]
    assert config["User"] == "1000:1000" and config["Config"]["Entrypoint"] == ["/t3-dispatcher"]
    # Compiled quickly here: a recipe's own build is two thirds of this.
    assert config["Size"] < 12_000_000, config["Size"]
    made = podman("create", "--network", "none", os.environ["POD_IMAGE"]).stdout.strip()
    exported = subprocess.run(f"podman export {made} | tar -t", shell=True, capture_output=True, text=True, timeout=60)
    podman("rm", made)
    files = {name for name in exported.stdout.split() if not name.endswith("/")}
    # What podman itself lays into a container.
    assert files - {"etc/hosts", "etc/hostname", "etc/resolv.conf", "run/.containerenv", "etc/mtab"} == {"t3-dispatcher"}


def test_a_page_load_without_a_cookie_is_paired():
    person = load_page()
    assert is_signed_in(person)
    answer, body = get("/", PAGE | person)
    assert answer.status == 200 and b"<html" in body.lower()
    assert not is_signed_in({"Cookie": person["Cookie"]}), "nobody's"
    assert not is_signed_in({"Cookie": "t3_session=made-up"})


def test_who_the_gate_does_not_name_is_not_paired():
    answer, _ = get("/", PAGE)
    assert answer.status == 403 and "Set-Cookie" not in answer.headers


def test_a_websocket_echoes():
    socket = WebSocket("127.0.0.1", 8080, "/standin/ws", load_page())
    for message in ("hello", "x" * 70_000):
        socket.send(message)
        assert socket.receive() == message
    socket.close()


def test_the_dispatcher_is_uid_1000_without_capabilities(status):
    assert set(status["Uid"] + status["Gid"]) == {"1000"}
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name][0], 16) == 0, name
    assert status["NoNewPrivs"] == ["1"]


def test_the_dispatcher_is_under_a_seccomp_filter(status):
    if podman("info", "--format", "{{.Host.Security.SECCOMPEnabled}}").stdout.strip() != "true":
        pytest.skip("this machine's podman filters no system calls")
    assert status["Seccomp"] == ["2"]


def test_the_dispatcher_s_root_is_read_only():
    mounts = Path(f"/proc/{inspect('dispatcher', '.State.Pid')}/mountinfo").read_text().splitlines()
    options = {fields[4]: fields[5].split(",") for fields in map(str.split, mounts)}
    assert "ro" in options["/"] and "ro" in options["/dispatcher"]
    assert "rw" in options["/tmp"] and "rw" in options["/data"]


def test_the_limit_is_enforced(memory):
    assert int(memory("memory.limit_in_bytes", "memory.max")) == LIMIT
    hog = "const held = []; for (;;) held.push(Buffer.alloc(1 << 24, 1))"
    assert podman("exec", f"{POD}-dispatcher", "node", "-e", hog).returncode == 137
    assert oom_kills(memory) > 0
    # The hog went, the dispatcher stays.
    assert is_signed_in(load_page())


def test_sigterm_drains():
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(get, "/standin/slow?ms=3000", FETCH | load_page())
        # Its head is there once t3 has it; the log of t3 tells nothing, so a socket beside it stands for it.
        socket = WebSocket("127.0.0.1", 8080, "/standin/ws", load_page())
        time.sleep(0.5)
        began = time.monotonic()
        stop = pool.submit(podman, "stop", "--time", "45", f"{POD}-dispatcher")
        answer, body = slow.result()
        assert answer.status == 200 and body.endswith(b"last\n")
        assert stop.result().returncode == 0
    took = time.monotonic() - began
    socket.abandon()
    # The tunnel is what it waited for.
    assert 19 < took < 30, took
    assert inspect("dispatcher", ".State.ExitCode") == "0"
    log = [json.loads(line)["message"] for line in podman("logs", f"{POD}-dispatcher").stdout.splitlines()]
    assert "SIGTERM: draining" in log and log[-1] == "drained"
