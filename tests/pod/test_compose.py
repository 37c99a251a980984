"""compose.yaml as podman-compose runs it: who comes from this machine is paired, and the dispatcher is confined."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from visitors import get, is_signed_in, load_page
from websocket import WebSocket

ROOT = Path(__file__).resolve().parents[2]
FILES = ["--file", ROOT / "compose.yaml", "--file", ROOT / "tests/pod/compose.yaml"]


def compose(*arguments):
    """podman-compose, the folder that it is started in being the one of the test, as conmon writes there."""
    command = [Path(sys.executable).parent / "podman-compose", "--project-name", "compose", *FILES, *arguments]
    folder = os.environ["STANDIN"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def inspect(service):
    found = subprocess.run(
        ["podman", "ps", "--quiet", "--filter", f"label=com.docker.compose.service={service}"],
        capture_output=True, text=True, timeout=60,
    )
    (container,) = found.stdout.split()
    return json.loads(subprocess.run(["podman", "inspect", container], capture_output=True, text=True, timeout=60).stdout)[0]


@pytest.fixture(scope="module", autouse=True)
def up():
    compose("up", "--no-build", "--detach")
    deadline = time.monotonic() + 30
    while True:
        try:
            if get("/readyz", {})[0].status == 200:
                break
        except OSError:
            pass
        assert time.monotonic() < deadline, "t3 is never up"
        time.sleep(0.1)
    yield
    compose("down", "--volumes")


def test_who_comes_from_this_machine_is_paired():
    person = load_page()
    assert is_signed_in(person)
    socket = WebSocket("127.0.0.1", 8080, "/standin/ws", person)
    socket.send("hello")
    assert socket.receive() == "hello"
    socket.close()


def test_the_dispatcher_is_confined():
    config = inspect("dispatcher")
    lines = Path(f"/proc/{config['State']['Pid']}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert set(status["Uid"].split()) == {"1000"} and status["NoNewPrivs"] == "1"
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0
    assert config["HostConfig"]["ReadonlyRootfs"] is True
    assert config["HostConfig"]["Memory"] == 384 * 2**20
    assert config["HostConfig"]["NetworkMode"] == "host"


def test_nobody_else_reaches_it():
    listening = [line.split()[1] for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    # 127.0.0.1, as the kernel writes it: 8080 and t3's 3773.
    assert set(listening) == {"0100007F:1F90", "0100007F:0EBD"}
    assert not Path("/proc/self/net/tcp6").exists() or " 0A " not in Path("/proc/self/net/tcp6").read_text()
