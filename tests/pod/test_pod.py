"""The pod as podman runs it: whoever comes is paired, all is confined and bounded, and it starts and ends in order."""

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from containers import POD, in_order, inspect, podman, start
from visitors import FETCH, PAGE, get, is_signed_in, load_page
from websocket import WebSocket

LIMIT = 256 * 1024 * 1024
DEPLOYMENT = yaml.safe_load(Path(os.environ["POD_DEPLOYMENT"]).read_text())


@pytest.fixture(scope="module", autouse=True)
def up():
    """The pod, started in order; on the way, what the dispatcher says before there is a t3, and a visitor of that time."""
    seen = {}
    with ThreadPoolExecutor(1) as pool:
        for one in in_order(DEPLOYMENT):
            if one["name"] == "t3":
                seen["health"], seen["ready"] = (get(path, {})[0].status for path in ("/healthz", "/readyz"))
                visitor = pool.submit(load_page)
                # Until it has asked: it is held, and tells nobody.
                time.sleep(0.5)
                seen["was held"] = not visitor.done()
            start(one)
        seen["visitor"] = visitor.result()
    return seen


@pytest.fixture(scope="module")
def status():
    """What the kernel says of a container's process: a function of the container."""

    def of(container):
        lines = Path(f"/proc/{inspect(container, '.State.Pid')}/status").read_text().splitlines()
        return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}

    return of


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


def test_the_dispatcher_is_there_before_t3_and_holds_who_comes(up):
    assert up["health"] == 200 and up["ready"] == 503
    assert up["was held"] and is_signed_in(up["visitor"])


def test_the_binary_came_out_of_its_image():
    assert inspect("install-dispatcher", ".State.ExitCode") == "0"
    assert podman("exec", f"{POD}-dispatcher", "stat", "-c", "%a %u", "/dispatcher/t3-dispatcher").stdout == "755 1000\n"
    run = podman("exec", f"{POD}-dispatcher", "sha256sum", "/dispatcher/t3-dispatcher").stdout
    assert run.split()[0] == os.environ["POD_CHECKSUM"]


def files_of(image):
    """The files of an image, without those that podman lays into a container."""
    made = podman("create", "--network", "none", image).stdout.strip()
    exported = subprocess.run(f"podman export {made} | tar -t", shell=True, capture_output=True, text=True, timeout=60)
    podman("rm", made)
    files = {name for name in exported.stdout.split() if not name.endswith("/")}
    return files - {"etc/hosts", "etc/hostname", "etc/resolv.conf", "run/.containerenv", "etc/mtab"}


def test_the_image_is_the_binary_with_its_libraries_and_ca_roots_and_small():
    config = json.loads(podman("image", "inspect", os.environ["POD_IMAGE"]).stdout)[0]
    assert config["User"] == "1000:1000" and config["Config"]["Entrypoint"] == ["/t3-dispatcher"]
    print(f"the image: {config['Size']} bytes")
    assert config["Size"] < 12_400_000, config["Size"]
    libraries = {"lib64/ld-linux-x86-64.so.2"} | {f"lib/x86_64-linux-gnu/{name}" for name in ("libc.so.6", "libm.so.6")}
    assert files_of(os.environ["POD_IMAGE"]) == {"t3-dispatcher", "etc/ssl/certs/ca-certificates.crt"} | libraries


def test_the_image_runs_by_itself_and_looks_names_up():
    confined = ["run", "--rm", "--read-only", "--cap-drop", "all", "--network", "none", "--add-host", "t3.example:127.0.0.1"]
    checked = podman(*confined, "--env", "T3_UPSTREAM_HOST=t3.example", os.environ["POD_IMAGE"], "check")
    said = checked.stdout + checked.stderr
    assert "refused" in said, said


def test_the_image_on_node_has_ca_roots_of_its_own():
    image = f"{os.environ['POD_IMAGE']}-sidecar"
    assert "etc/ssl/certs/ca-certificates.crt" in files_of(image)
    assert podman("run", "--rm", "--network", "none", image, "--version").returncode == 0


def test_agents_work_with_nothing_but_their_user(status):
    of_t3 = status("t3")
    assert set(of_t3["Uid"] + of_t3["Gid"]) == {"1000"} and of_t3["NoNewPrivs"] == ["1"]
    assert {int(of_t3[name][0], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    work = """
    set -e
    cd "$(mktemp -d -p /data)"
    mkdir ~/.claude
    git init -q -b main
    git config --global user.email a@example.org
    git config --global user.name a
    echo 'console.log(require("child_process").execSync("git rev-parse --abbrev-ref HEAD", {cwd: __dirname}) + "")' >index.js
    npm init -y >/dev/null
    git add .
    git commit -q -m first
    git worktree add -q tree
    [ "$(node tree/index.js)" = tree ]
    npm pack --silent
    npm install --silent --offline --prefix elsewhere ./*.tgz
    # A terminal of its own, with a shell that has job control.
    script -qec "bash -ic 'test -t 0 && sleep 9 & kill %1 && git --no-pager log --oneline'" /dev/null
    """
    done = podman("exec", f"{POD}-t3", "bash", "-c", work)
    assert done.returncode == 0 and "first" in done.stdout, done.stdout + done.stderr


def test_the_volume_is_node_s():
    owners = podman("exec", f"{POD}-t3", "find", "/data", "!", "-user", "1000").stdout
    assert owners == "" and inspect("fix-perms", ".State.ExitCode") == "0"


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
    status = status("dispatcher")
    assert set(status["Uid"] + status["Gid"]) == {"1000"}
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name][0], 16) == 0, name
    assert status["NoNewPrivs"] == ["1"]


@pytest.mark.parametrize("container", ["dispatcher", "t3"])
def test_it_is_under_a_seccomp_filter(status, container):
    if podman("info", "--format", "{{.Host.Security.SECCOMPEnabled}}").stdout.strip() != "true":
        pytest.skip("this machine's podman filters no system calls")
    assert status(container)["Seccomp"] == ["2"]


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


def test_t3_ends_first_and_the_dispatcher_holds_who_comes():
    person = load_page()
    socket = WebSocket("127.0.0.1", 8080, "/standin/ws", person)
    began = time.monotonic()
    # As the kubelet ends the pod: the sidecar is told nothing yet.
    assert podman("stop", "--time", "45", f"{POD}-t3").returncode == 0
    took = time.monotonic() - began
    socket.abandon()
    print(f"t3 ended within {took:.1f} s, with a WebSocket open")
    assert took < 20
    assert [get(path, {})[0].status for path in ("/healthz", "/readyz")] == [200, 503]
    with ThreadPoolExecutor(1) as pool:
        visitor = pool.submit(get, "/", PAGE | person)
        time.sleep(0.5)
        assert not visitor.done()
        assert podman("start", f"{POD}-t3").returncode == 0
        answer, body = visitor.result()
    assert answer.status == 200 and b"<html" in body.lower()


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
    # It waited for the answer, and the tunnel did not keep it.
    assert 2 < took < 20, took
    assert inspect("dispatcher", ".State.ExitCode") == "0"
    log = [json.loads(line)["message"] for line in podman("logs", f"{POD}-dispatcher").stdout.splitlines()]
    assert "SIGTERM: draining" in log and log[-1] == "drained"
