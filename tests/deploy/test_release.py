"""One version everywhere, pinned things stay pinned, and compose runs what the manifests run."""

import re
import subprocess
import tomllib

import pytest
import yaml

from rendering import ROOT, at, container

CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())
VERSION = CARGO["package"]["version"]
IMAGE = f"ghcr.io/viktorbarzin/t3-dispatcher:{VERSION}"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
WORKFLOW = (ROOT / ".github/workflows/ci.yaml").read_text()
STAGES = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)


def test_the_version_is_the_images_tag():
    assert container("install-dispatcher")["image"] == IMAGE
    assert COMPOSE["services"]["dispatcher"]["image"] == f"{IMAGE}-sidecar"


def test_the_version_is_in_the_changelog():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest.group(1) == VERSION


def test_the_stages_of_the_image():
    rust = CARGO["workspace"]["package"]["rust-version"]
    assert STAGES == [
        (f"docker.io/library/rust:{rust}-bookworm", "build"),
        ("docker.io/library/node:24-bookworm-slim", "sidecar"),
        # The last is what a build without a target makes.
        ("scratch", "binary"),
    ]
    for _, name in STAGES[1:]:
        stage = DOCKERFILE.split(f" AS {name}\n")[1].split("\nFROM ")[0]
        assert "USER 1000:1000" in stage and 'ENTRYPOINT ["/' in stage, name


def test_the_image_s_context_holds_what_the_workspace_names():
    ignored, *kept = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line[:1] not in ("", "#")]
    assert ignored == "*"
    assert set(kept) == {"!Cargo.toml", "!Cargo.lock", "!src", "!.ci/release", "!.ci/release.ld"} | {f"!{one}" for one in CARGO["workspace"]["members"]}


@pytest.mark.parametrize("used", re.findall(r"uses: (.*)", WORKFLOW))
def test_an_action_is_pinned(used):
    assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)


def test_the_workflow_runs_the_checks():
    jobs = yaml.safe_load(WORKFLOW)["jobs"]
    lines = {name: [step.get("run", "") for step in job["steps"]] for name, job in jobs.items()}
    assert ".ci/run $STEPS" in lines["checks"]
    assert ".ci/deny advisories" in lines["advisories"]
    assert any("docker build --tag binary ." in one for one in lines["images"])
    assert set(jobs["publish"]["needs"]) == {"checks", "advisories", "images"}
    assert yaml.safe_load(WORKFLOW)["permissions"] == {"contents": "read"}


def test_the_workflow_names_every_step_once():
    rows = yaml.safe_load(WORKFLOW)["jobs"]["checks"]["strategy"]["matrix"]["include"]
    listed = subprocess.run([ROOT / ".ci/run", "--list"], capture_output=True, text=True, check=True, timeout=60)
    assert sorted(" ".join(row["steps"] for row in rows).split()) == sorted(listed.stdout.split())


def test_compose_runs_the_same_t3():
    def pinned(script):
        return set(re.findall(r'"(\S+@\S+)"', script))

    services = COMPOSE["services"]
    ours, stack = services["t3"]["command"][2], container("install-t3")["command"][2]
    assert pinned(ours) == pinned(stack) != set()
    serve = re.search("exec t3 serve.*", ours).group()
    assert serve in container("t3")["command"][2]
    assert services["t3"]["image"] == container("t3")["image"]
    assert services["fix-perms"]["image"] == container("fix-perms")["image"]


def test_compose_confines_the_dispatcher_and_opens_loopback_alone():
    services = COMPOSE["services"]
    dispatcher = services["dispatcher"]
    assert dispatcher["read_only"] and dispatcher["cap_drop"] == ["ALL"] and dispatcher["tmpfs"] == ["/tmp"]
    assert dispatcher["security_opt"] == ["no-new-privileges:true"]
    # On the host's network: its own choice of address is the only bound.
    assert dispatcher["network_mode"] == "host" and dispatcher["environment"]["DISPATCHER_HOST"] == "127.0.0.1"
    assert services["t3"]["ports"] == ["127.0.0.1:3773:3773"]
    for name in ("T3_BIN", "T3CODE_HOME", "NODE_COMPILE_CACHE", "HOME"):
        assert dispatcher["environment"][name] == at(container("dispatcher")["env"], [name])["value"]
    assert list(COMPOSE["volumes"]) == ["data"]
