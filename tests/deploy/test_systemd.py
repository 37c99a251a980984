"""The units for one machine (ops/systemd): systemd and sudo take them, and they say the same as each other."""

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

from rendering import ROOT

UNITS = ROOT / "ops/systemd"
PAGE = (ROOT / "docs/many.md").read_text()
# Each brings NoNewPrivileges= along in a unit with User= (systemd.exec, "NoNewPrivileges="), and sudo ends.
WITHOUT_SUDO = """
    NoNewPrivileges DynamicUser LockPersonality MemoryDenyWriteExecute PrivateDevices ProtectClock ProtectHostname
    ProtectKernelLogs ProtectKernelModules ProtectKernelTunables RestrictAddressFamilies RestrictNamespaces RestrictRealtime
    RestrictSUIDSGID SystemCallArchitectures SystemCallFilter SystemCallLog
""".split()


def needs(tool):
    """Its path; where CI=true it has to be there."""
    found = shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin")
    if not found and os.environ.get("CI") != "true":
        pytest.skip(f"no {tool}")
    return found or tool


def lines(name):
    """The assignments of a unit, in order."""
    found = (line for line in (UNITS / name).read_text().splitlines() if re.match(r"\w+=", line))
    return [tuple(line.split("=", 1)) for line in found]


def environment(name):
    values = [value for key, value in lines(name) if key == "Environment"]
    return dict(pair.split("=", 1) for value in values for pair in shlex.split(value))


@pytest.mark.parametrize("tighter", [False, True], ids=["sudo", "without sudo"])
def test_systemd_takes_the_units(tmp_path, tighter):
    for name in ("t3-dispatcher.service", "t3-serve@.service"):
        # Where they are not installed.
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", (UNITS / name).read_text(), flags=re.MULTILINE)
        (tmp_path / name.replace("@", "@alice")).write_text(text)
    if tighter:
        folder = tmp_path / "t3-dispatcher.service.d"
        folder.mkdir()
        shutil.copy(UNITS / "t3-dispatcher-without-sudo.conf", folder / "without-sudo.conf")
    units = [tmp_path / one for one in ("t3-dispatcher.service", "t3-serve@alice.service")]
    done = subprocess.run([needs("systemd-analyze"), "verify", *units], capture_output=True, text=True, timeout=60)
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line or line.startswith("t3-")]
    assert not said


def test_sudo_takes_its_line_and_runs_what_the_unit_mints_with():
    done = subprocess.run([needs("visudo"), "-cf", UNITS / "t3-dispatcher.sudoers"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    rule = (UNITS / "t3-dispatcher.sudoers").read_text().splitlines()[-1]
    user, program = re.fullmatch(r"(\S+) ALL=\(root\) NOPASSWD: (/usr/local/bin/t3-mint)", rule).groups()
    assert ("User", user) in lines("t3-dispatcher.service")
    words = environment("t3-dispatcher.service")["DISPATCHER_MINT_COMMAND"].split()
    assert words == ["sudo", "-n", program, "{os_user}"]


def test_nothing_in_the_unit_ends_sudo():
    keys = {key for key, _ in lines("t3-dispatcher.service")}
    assert not keys & set(WITHOUT_SUDO) and "ProtectHome" not in keys
    tighter = dict(lines("t3-dispatcher-without-sudo.conf"))
    assert tighter["NoNewPrivileges"] == "yes" and tighter["Environment"] == "DISPATCHER_MINT_COMMAND="
    # Whose a listener is, is read there.
    assert "ProcSubset" not in keys | set(tighter)


def test_what_the_dispatcher_calls_is_not_filtered():
    keys = lines("t3-dispatcher-without-sudo.conf")
    # A call that it does without may fail, and must not end it.
    assert ("SystemCallErrorNumber", "EPERM") in keys
    allowed, denied = [value for key, value in keys if key == "SystemCallFilter"]
    assert (allowed, denied[0]) == ("@system-service", "~")
    for group in denied[1:].split():
        command = [needs("systemd-analyze"), "syscall-filter", group]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        # The thread that compresses in the background, and descriptors for many connections.
        assert not {"setpriority", "prlimit64", "splice", "memfd_create"} & set(done.stdout.split())


def test_a_cli_that_hangs_is_ended_by_its_own_user():
    words = (UNITS / "t3-mint").read_text().split()
    # Root without CAP_KILL ends no process of another user.
    assert 0 < words.index("setpriv") < words.index("/usr/bin/timeout") < words.index("/usr/local/bin/t3")
    bounding = dict(lines("t3-dispatcher.service"))["CapabilityBoundingSet"].split()
    assert "CAP_KILL" not in bounding and "CAP_SETUID" in bounding


def test_polkit_lets_start_and_stop_what_the_unit_starts_and_stops():
    rules = (UNITS / "t3-dispatcher.rules").read_text()
    pattern = re.search(r"/(\^.*\$)/\.test", rules).group(1)
    verbs = re.search(r"\[(.*?)\]\.indexOf", rules).group(1)
    assert re.findall(r'"(\w+)"', verbs) == ["start", "stop"]
    for name, verb in (("WAKE", "start"), ("SLEEP", "stop")):
        systemctl, said, unit = environment("t3-dispatcher.service")[f"DISPATCHER_{name}_COMMAND"].split()
        assert (systemctl, said) == ("systemctl", verb)
        for user in json.loads((UNITS / "dispatch.json").read_text()):
            assert re.match(pattern, unit.replace("{os_user}", user))
    for unit in ("sshd.service", "t3-serve@.service", "t3-serve@a.service x", "t3-serve@a_b.service", "xt3-serve@a.service"):
        assert not re.match(pattern, unit)


def test_the_dispatcher_s_port_is_nobody_else_s_and_a_name_needs_the_secret():
    values = environment("t3-dispatcher.service")
    assert values["DISPATCHER_HOST"] == "127.0.0.1" and 0 < int(values["DISPATCHER_PORT"]) < 1024
    assert f"127.0.0.1:{values['DISPATCHER_PORT']}" in PAGE
    assert ("AmbientCapabilities", "CAP_NET_BIND_SERVICE") in lines("t3-dispatcher.service")
    assert values["DISPATCHER_SECRET_FILE"] == "/etc/t3-serve/secret" and f">{values['DISPATCHER_SECRET_FILE']})" in PAGE
    assert values["DISPATCHER_ROUTES"] == "/etc/t3-serve/dispatch.json"


def test_each_person_is_a_user_with_a_port():
    rows = json.loads((UNITS / "dispatch.json").read_text())
    assert len({row["port"] for row in rows.values()}) == len(rows) >= 2
    for name, row in rows.items():
        assert row.keys() == {"os_user", "port"} and row["os_user"] == name and 1024 <= row["port"] < 32768
    unit = dict(lines("t3-serve@.service"))
    assert unit["User"] == "%i" and unit["EnvironmentFile"] == "/etc/t3-serve/%i.env"
    assert unit["ExecStart"] == "/usr/local/bin/t3 serve --mode web --host 127.0.0.1 --port ${T3_PORT} --base-dir /home/%i/.t3"
    # Other users would read credentials in its database.
    assert unit["UMask"] == "0077"
    assert f"T3_PORT={rows['bob']['port']}" in PAGE and json.dumps({"bob": rows["bob"]})[1:-1] in PAGE


@pytest.mark.parametrize("arguments", [[], [""], ["-x"], ["x-"], ["../alice"], ["Alice"], ["a b"], ["a\n"], ["a", "b"], ["nobody"], ["root"]])
def test_a_credential_is_made_for_nobody_but_who_has_a_t3(arguments):
    done = subprocess.run([UNITS / "t3-mint", *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith("t3-mint: ")


def test_the_page_installs_every_file():
    for path in UNITS.iterdir():
        assert f"](../ops/systemd/{path.name})" in PAGE
    commands = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    for name in re.findall(r"ops/systemd/(\S+)", commands):
        assert list(UNITS.glob(name)), name
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True, timeout=60)
