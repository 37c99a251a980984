"""What the manifests add to the stack: who may speak to the pod, what the dispatcher may do, when it is restarted."""

import re
import shutil

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


def test_no_container_is_privileged_and_none_gets_a_token():
    spec = pod()
    assert spec["automountServiceAccountToken"] is False
    for one in spec["containers"] + spec["initContainers"]:
        context = one.get("securityContext", {})
        assert not context.get("privileged") and "add" not in context.get("capabilities", {}), one["name"]
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


def test_the_drain_ends_before_the_pod_does():
    assert seconds(env("DISPATCHER_DRAIN_TIMEOUT")) + 10 <= pod()["terminationGracePeriodSeconds"]


def test_the_gate_is_last_and_names_the_user():
    annotations = objects()["Ingress/t3-afk"]["metadata"]["annotations"]
    chain = annotations["traefik.ingress.kubernetes.io/router.middlewares"].split(",")
    assert chain[-1] == "traefik-authentik-forward-auth@kubernetescrd"
    assert env("DISPATCHER_IDENTITY_HEADER") == "X-authentik-username"


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


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    """The overlay with the door, and a secret for it."""
    k8s = tmp_path_factory.mktemp("door") / "k8s"
    shutil.copytree(ROOT / "k8s", k8s)
    (k8s / "components/door-secret/secret").write_text("0123abcd")
    return k8s / "overlays/t3-afk-door"


def test_the_door_s_two_sides_have_one_secret(door):
    middleware = objects(door)["Middleware/door"]
    assert middleware["apiVersion"] == "traefik.io/v1alpha1"
    headers = middleware["spec"]["headers"]["customRequestHeaders"]
    assert headers == {"X-Dispatcher-Secret": "0123abcd"}
    assert objects(door)["Secret/t3-afk-door"]["data"] == {"secret": "MDEyM2FiY2Q="}
    dispatcher = container("dispatcher", door)
    mount = at(dispatcher["volumeMounts"], ["/door"])
    assert mount["readOnly"] and "subPath" not in mount
    assert at(pod(door)["volumes"], [mount["name"]])["secret"]["secretName"] == "t3-afk-door"
    assert at(dispatcher["env"], ["DISPATCHER_SECRET_FILE"])["value"] == "/door/secret"


def test_the_door_is_behind_the_gate_and_changes_nothing_else(door):
    name = "traefik.ingress.kubernetes.io/router.middlewares"
    plain, with_door = (objects(one)["Ingress/t3-afk"]["metadata"]["annotations"] for one in (OVERLAY, door))
    middleware = objects(door)["Middleware/door"]["metadata"]
    reference = f"{middleware['namespace']}-{middleware['name']}@kubernetescrd"
    assert with_door.pop(name) == plain.pop(name) + "," + reference
    assert with_door == plain
    assert set(objects(door)) - set(objects()) == {"Middleware/door", "Secret/t3-afk-door"}


def test_no_secret_is_in_the_tree():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/k8s/components/door-secret/secret" in ignored
    assert not any(item["kind"] == "Secret" for item in objects().values())
