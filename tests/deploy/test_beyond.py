"""What the manifests add to the stack: who may speak to the pod, what the dispatcher may do, when it is restarted."""

import os
import re
import shutil
import subprocess
from base64 import b64decode

import pytest

from rendering import BASE, OVERLAY, ROOT, at, container, objects, pod, text

CONFINED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def seconds(time):
    """`20s` as 20."""
    return int(re.fullmatch(r"(\d+)s", time).group(1))


def env(name):
    """A variable of the dispatcher."""
    return at(container("dispatcher")["env"], [name])["value"]


def test_who_reaches_which_port():
    spec = objects()["NetworkPolicy/t3-afk"]["spec"]
    assert spec["podSelector"] == {"matchLabels": pod_labels()}
    assert spec["policyTypes"] == ["Ingress"]
    reached = set()
    for rule in spec["ingress"]:
        assert set(rule) == {"from", "ports"}, "an open end"
        for peer in rule["from"]:
            assert set(peer) == {"namespaceSelector"}
            assert set(peer["namespaceSelector"]) == {"matchLabels"}
            (key, namespace), = peer["namespaceSelector"]["matchLabels"].items()
            assert key == "kubernetes.io/metadata.name"
            for port in rule["ports"]:
                assert port.keys() == {"protocol", "port"} and port["protocol"] == "TCP"
                reached.add((namespace, port["port"]))
    assert reached == {("traefik", 8080), ("claude-agent", 8080), ("monitoring", 9464)}


def pod_labels():
    return objects()["Deployment/t3-afk"]["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("name", ["dispatcher", "install-dispatcher"])
def test_what_is_ours_is_confined(name):
    assert container(name)["securityContext"] == CONFINED


@pytest.mark.parametrize("name", ["t3", "install-t3"])
def test_agents_get_no_more_rights_than_they_have_and_may_write(name):
    assert container(name)["securityContext"] == {key: CONFINED[key] for key in CONFINED if key != "readOnlyRootFilesystem"}


def test_no_container_is_privileged_and_none_gets_a_token():
    spec = pod()
    assert spec["automountServiceAccountToken"] is False
    added = {}
    for one in spec["containers"] + spec["initContainers"]:
        context = one["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and "privileged" not in context, one["name"]
        assert context["capabilities"]["drop"] == ["ALL"] and context["seccompProfile"] == CONFINED["seccompProfile"]
        added[one["name"]] = context["capabilities"].get("add")
    # Root, for a moment: it changes owners.
    assert {name: names for name, names in added.items() if names} == {"fix-perms": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]}
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        assert field not in spec


def test_the_binary_comes_out_of_its_own_image():
    source, target = container("install-dispatcher"), container("dispatcher")
    path = target["command"][0]
    assert source["args"] == ["install", path] and "command" not in source
    folder = path.rsplit("/", 1)[0]
    assert at(source["volumeMounts"], [folder]) == {"name": "dispatcher", "mountPath": folder}
    assert at(target["volumeMounts"], [folder]) == {"name": "dispatcher", "mountPath": folder, "readOnly": True}
    assert "emptyDir" in at(pod()["volumes"], ["dispatcher"])
    # Wherever else the Node differs from the one that installed the CLI, its native modules may not load.
    assert target["image"] == container("install-t3")["image"] == container("t3")["image"]


def test_the_cli_has_a_tmp_on_disk():
    mount = at(container("dispatcher")["volumeMounts"], ["/tmp"])
    assert "medium" not in at(pod()["volumes"], [mount["name"]])["emptyDir"]
    assert env("NODE_COMPILE_CACHE").startswith("/tmp/")


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_no_probe_asks_for_t3(probe):
    assert container("dispatcher")[probe]["httpGet"] == {"path": "/healthz", "port": 8080}


def test_the_dispatcher_is_up_before_t3_and_ends_after_it():
    assert container("dispatcher")["restartPolicy"] == "Always"
    names = [one["name"] for one in pod()["initContainers"]]
    assert names.index("install-dispatcher") < names.index("dispatcher") < names.index("install-t3")
    # Who is no sidecar has to end, or nothing after it starts.
    others = [one for one in pod()["initContainers"] + pod()["containers"] if one["name"] != "dispatcher"]
    assert not any("restartPolicy" in one for one in others)
    # The startup probe holds the next container back, for no longer than it has to.
    probe = container("dispatcher")["startupProbe"]
    assert probe["periodSeconds"] == 1 and "initialDelaySeconds" not in probe


def test_t3_is_restarted_only_if_it_answers_nothing_for_minutes():
    probe = container("t3")["livenessProbe"]
    assert probe["httpGet"] == {"path": "/.well-known/t3/environment", "port": 3773}
    assert probe["timeoutSeconds"] < probe["periodSeconds"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 300


def owners_after(folder):
    """What fix-perms' own script makes of a folder: each path's owner."""
    script = container("fix-perms")["command"][2].replace("/data", str(folder))
    subprocess.run(["sh", "-c", script], check=True, timeout=60)
    return {path: (path.lstat().st_uid, path.lstat().st_gid) for path in [folder, *folder.rglob("*")]}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_only_what_is_another_s_is_given_to_node(tmp_path):
    (tmp_path / "of root").mkdir()
    (tmp_path / "of root/-rf").write_text("x")
    (tmp_path / "of root/link").symlink_to("nowhere")
    mine = tmp_path / "mine"
    mine.write_text("x")
    os.chown(mine, 1000, 1000)
    group = tmp_path / "group"
    group.write_text("x")
    os.chown(group, 1000, 0)
    outside = tmp_path.parent / "outside"
    outside.write_text("x")
    (tmp_path / "leads out").symlink_to(outside)
    before = mine.lstat().st_ctime_ns
    assert set(owners_after(tmp_path).values()) == {(1000, 1000)}
    assert mine.lstat().st_ctime_ns == before and outside.stat().st_uid == 0
    assert tmp_path.stat().st_mode & 0o777 == 0o775
    assert pod()["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_the_drain_ends_before_the_pod_does():
    # t3 ends first, and cuts what is unfinished after 20 s (contract §7).
    t3 = 20
    delay = [one for one in container("dispatcher")["env"] if one["name"] == "DISPATCHER_DRAIN_DELAY"]
    total = t3 + sum(seconds(one["value"]) for one in delay) + seconds(env("DISPATCHER_DRAIN_TIMEOUT"))
    assert total + 10 <= pod()["terminationGracePeriodSeconds"]


def test_the_gate_is_last_and_names_the_user():
    annotations = objects()["Ingress/t3-afk"]["metadata"]["annotations"]
    chain = annotations["traefik.ingress.kubernetes.io/router.middlewares"].split(",")
    assert chain[-1] == "traefik-authentik-forward-auth@kubernetescrd"
    assert env("DISPATCHER_GATE") == "authentik"


def test_static_files_go_the_same_way_with_another_limit():
    page, assets = (objects()[f"Ingress/{name}"] for name in ("t3-afk", "t3-afk-assets"))
    name = "traefik.ingress.kubernetes.io/router.middlewares"
    chain = page["metadata"]["annotations"][name]
    limit = objects()["Middleware/assets-rate-limit"]["metadata"]
    reference = f"{limit['namespace']}-{limit['name']}@kubernetescrd"
    assert assets["metadata"]["annotations"][name] == chain.replace("traefik-rate-limit@kubernetescrd", reference)
    (path,) = assets["spec"]["rules"][0]["http"]["paths"]
    assert path["path"] == "/assets/"
    path["path"] = "/"
    assert assets["spec"] == page["spec"]


def test_metrics_are_found_by_the_scrape():
    annotations = objects()["Deployment/t3-afk"]["spec"]["template"]["metadata"]["annotations"]
    port = env("DISPATCHER_METRICS_PORT")
    assert annotations == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": port,
        "prometheus.io/path": "/metrics",
    }
    assert {one["containerPort"] for one in container("dispatcher")["ports"]} == {8080, int(port)}


def test_page_loads_reach_the_dispatcher_while_t3_starts():
    assert objects()["Service/t3-afk"]["spec"]["publishNotReadyAddresses"] is True


def test_the_cluster_s_values_are_the_overlay_s_alone():
    # The images' registry is the project's address, not the cluster's.
    base = text(BASE).replace("ghcr.io/viktorbarzin/", "")
    for value in ("viktorbarzin", "192.168.", "nfs", "tls-secret", "claude-agent", "4-aux", "vault"):
        assert value in text(OVERLAY), f"{value} is no value of the overlay any more"
        assert value not in base


def test_the_base_is_closed_too():
    annotations = objects(BASE)["Ingress/t3-afk"]["metadata"]["annotations"]
    chain = annotations["traefik.ingress.kubernetes.io/router.middlewares"]
    assert chain == "traefik-authentik-forward-auth@kubernetescrd"
    overlay = container("dispatcher", OVERLAY)
    # Merged in front of the base's.
    overlay["env"].remove({"name": "DISPATCHER_WAITING_STATUS", "value": "200"})
    assert container("dispatcher", BASE) == overlay


def test_the_waiting_page_passes_the_error_pages():
    annotations = objects()["Ingress/t3-afk"]["metadata"]["annotations"]
    assert "traefik-error-pages@" in annotations["traefik.ingress.kubernetes.io/router.middlewares"]
    assert not env("DISPATCHER_WAITING_STATUS").startswith("5")


def with_secret(folder, secret):
    """The overlay with the door and this secret, in a copy of the manifests."""
    k8s = folder / "k8s"
    shutil.copytree(ROOT / "k8s", k8s, ignore=shutil.ignore_patterns("secret"))
    (k8s / "components/door-secret/secret").write_text(secret)
    return k8s / "overlays/t3-afk-door"


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    return with_secret(tmp_path_factory.mktemp("door"), "0123abcd")


def shown_and_taken(door):
    """What Traefik shows, and what the dispatcher takes, a secret a line."""
    shown = objects(door)["Middleware/door"]["spec"]["headers"]["customRequestHeaders"]
    return shown["X-Dispatcher-Secret"], b64decode(objects(door)["Secret/t3-afk-door"]["data"]["secret"]).decode()


def scripts(page):
    """The blocks of commands of a page."""
    return re.findall(r"```sh\n(.*?)```", page, re.DOTALL)


def test_the_door_s_two_sides_have_one_secret(door):
    middleware = objects(door)["Middleware/door"]
    assert middleware["apiVersion"] == "traefik.io/v1alpha1"
    headers = middleware["spec"]["headers"]["customRequestHeaders"]
    assert headers == {"X-Dispatcher-Secret": "0123abcd"}
    assert objects(door)["Secret/t3-afk-door"]["data"] == {"secret": "MDEyM2FiY2Q="}
    dispatcher = container("dispatcher", door)
    assert [one["name"] for one in pod(door)["initContainers"]] == [one["name"] for one in pod()["initContainers"]]
    mount = at(dispatcher["volumeMounts"], ["/door"])
    assert mount["readOnly"] and "subPath" not in mount
    assert at(pod(door)["volumes"], [mount["name"]])["secret"]["secretName"] == "t3-afk-door"
    assert at(dispatcher["env"], ["DISPATCHER_SECRET_FILE"])["value"] == "/door/secret"


def test_the_door_is_behind_the_gate_and_changes_nothing_else(door):
    name = "traefik.ingress.kubernetes.io/router.middlewares"
    middleware = objects(door)["Middleware/door"]["metadata"]
    reference = f"{middleware['namespace']}-{middleware['name']}@kubernetescrd"
    for ingress in ("Ingress/t3-afk", "Ingress/t3-afk-assets"):
        plain, with_door = (objects(one)[ingress]["metadata"]["annotations"] for one in (OVERLAY, door))
        assert with_door.pop(name) == plain.pop(name) + "," + reference
        assert with_door == plain
    assert set(objects(door)) - set(objects()) == {"Middleware/door", "Secret/t3-afk-door"}


@pytest.fixture(scope="module")
def carved(tmp_path_factory):
    """The overlay with the door as an owner has it who wants the carve-outs too."""
    folder = with_secret(tmp_path_factory.mktemp("carved"), "0123abcd")
    layer = folder / "kustomization.yaml"
    layer.write_text(layer.read_text().replace("components:\n", "components:\n  - ../../components/carve-outs\n"))
    return folder


def test_the_carve_outs_are_the_owner_s_to_add(door, carved):
    added = {"Ingress/t3-afk-carve-outs", "Middleware/nobody", "Middleware/carve-outs-rate-limit"}
    assert set(objects(carved)) - set(objects(door)) == added
    assert not added & set(objects())
    for name, item in objects(door).items():
        assert objects(carved)[name] == item
    for name in added:
        assert objects(carved)[name]["metadata"]["namespace"] == "t3-afk"


def test_a_carve_out_is_neither_gated_nor_signed_in(carved):
    page, ingress = (objects(carved)[f"Ingress/{name}"] for name in ("t3-afk", "t3-afk-carve-outs"))
    chain = ingress["metadata"]["annotations"]["traefik.ingress.kubernetes.io/router.middlewares"]
    # The door's secret would make whatever a client claims there an identity.
    assert chain == "t3-afk-carve-outs-rate-limit@kubernetescrd,t3-afk-nobody@kubernetescrd"
    removed = objects(carved)["Middleware/nobody"]["spec"]["headers"]["customRequestHeaders"]
    assert set(removed.values()) == {""}
    assert env("DISPATCHER_GATE") == "authentik"
    assert set(removed) == {"X-authentik-username", "X-Dispatcher-Secret", "Cookie", "Authorization"}
    (rule,) = ingress["spec"]["rules"]
    assert rule["host"] == page["spec"]["rules"][0]["host"] and ingress["spec"]["tls"] == page["spec"]["tls"]
    for path in rule["http"]["paths"]:
        assert path["pathType"] == "Exact"
        # Neither a page's path nor the API's: there nobody is paired or healed (SECURITY.md).
        assert re.fullmatch(r"/[\w-]+\.\w+|/probe/(healthz|ws)", path["path"])
        assert path["backend"] == page["spec"]["rules"][0]["http"]["paths"][0]["backend"]


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    """The overlay with the door as an owner has it who wants the way for apps too."""
    folder = with_secret(tmp_path_factory.mktemp("devices"), "0123abcd")
    layer = folder / "kustomization.yaml"
    layer.write_text(layer.read_text().replace("components:\n", "components:\n  - ../../components/devices\n"))
    return folder


def test_the_way_for_apps_is_the_owner_s_to_add(door, devices):
    changed = {"Deployment/t3-afk", "Service/t3-afk", "NetworkPolicy/t3-afk"}
    assert set(objects(devices)) - set(objects(door)) == {"Ingress/t3-afk-devices"}
    for name, item in objects(door).items():
        assert (objects(devices)[name] != item) == (name in changed), name
    assert [one["name"] for one in pod(devices)["initContainers"]] == [one["name"] for one in pod(door)["initContainers"]]


def test_the_way_for_apps_leads_to_the_device_door_alone(devices):
    page, ingress = (objects(devices)[f"Ingress/{name}"] for name in ("t3-afk", "t3-afk-devices"))
    # Neither the gate nor the door's secret: whatever a client claims there counts for nothing.
    name = "traefik.ingress.kubernetes.io/router.middlewares"
    assert name not in ingress["metadata"]["annotations"] and name in page["metadata"]["annotations"]
    dispatcher = container("dispatcher", devices)
    port = int(at(dispatcher["env"], ["DISPATCHER_DEVICE_PORT"])["value"])
    assert {one["containerPort"] for one in dispatcher["ports"]} == {8080, 9464, port}
    (rule,) = ingress["spec"]["rules"]
    assert rule["host"] == at(dispatcher["env"], ["DISPATCHER_DEVICE_HOST"])["value"] != page["spec"]["rules"][0]["host"]
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    (path,) = rule["http"]["paths"]
    service = {one["port"]: one for one in objects(devices)["Service/t3-afk"]["spec"]["ports"]}
    assert service[path["backend"]["service"]["port"]["number"]]["targetPort"] == port
    assert service[3773]["targetPort"] == 8080 and all(one["name"] for one in service.values())


def test_who_reaches_the_device_door(door, devices):
    rules, before = (objects(one)["NetworkPolicy/t3-afk"]["spec"]["ingress"] for one in (devices, door))
    assert rules[:-1] == before
    (peer,), (port,) = rules[-1]["from"], rules[-1]["ports"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "traefik"}
    assert port == {"protocol": "TCP", "port": 8081}


def test_traefik_shows_the_first_of_two_secrets(tmp_path):
    assert shown_and_taken(with_secret(tmp_path, "0123abcd\nffff\n")) == ("0123abcd", "0123abcd\nffff\n")


def run(commands, folder):
    """Runs commands of a page, with a kubectl that does nothing."""
    quiet = "kubectl() { :; }\n"
    subprocess.run(["bash", "-euc", quiet + commands], cwd=folder, check=True, timeout=60)


def test_the_deploy_commands_make_the_secret_once_and_apply_the_door(tmp_path):
    secret = tmp_path / "k8s/components/door-secret/secret"
    secret.parent.mkdir(parents=True)
    readme, page = ((ROOT / name).read_text() for name in ("README.md", "docs/deploy.md"))
    (command,) = [block for block in scripts(readme) if "kubectl" in block]
    assert command == scripts(page)[0]
    assert "kubectl apply -k k8s/overlays/t3-afk-door\n" in command
    run(command, tmp_path)
    made = secret.read_text()
    assert re.fullmatch(r"[0-9a-f]{64}\n", made) and secret.stat().st_mode & 0o077 == 0
    run(command, tmp_path)
    assert secret.read_text() == made


def test_at_each_step_of_a_rotation_traefik_shows_what_the_dispatcher_takes(tmp_path):
    page = (ROOT / "docs/deploy.md").read_text()
    (rotation,) = [block for block in scripts(page) if "sed" in block]
    steps = rotation.splitlines()
    (tmp_path / "secret").write_text("old\n")
    seen = []
    for number, step in enumerate(steps):
        run("secret=secret\n" + step, tmp_path)
        if "kubectl" in step:
            overlay = with_secret(tmp_path / str(number), (tmp_path / "secret").read_text())
            seen.append(shown_and_taken(overlay))
    (old, both), (new, swapped), (last, alone) = seen
    assert (old, last, alone) == ("old", new, f"{new}\n")
    assert new != "old" and both == f"old\n{new}\n" and swapped == f"{new}\nold\n"
    assert not list(tmp_path.glob("*.new"))


def test_no_secret_is_in_the_tree():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/k8s/components/door-secret/secret" in ignored
    assert not any(item["kind"] == "Secret" for item in objects().values())
