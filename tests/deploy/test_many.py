"""The overlay for many people, with two whom `k8s/add-person` has added: who is routed where, who reaches whom, and how."""

import ipaddress
import re
import shutil
import subprocess
from base64 import b64decode

import kubernetes_validate
import pytest

from rendering import ROOT, at, objects
from test_beyond import CONFINED, seconds
from test_tools import CUSTOM, KUBERNETES, judge, kubernetes

PEOPLE = ["alice", "bob-2"]


def add(k8s, name):
    """What `k8s/add-person` says of a name: its exit code, its output and its errors."""
    done = subprocess.run([k8s / "add-person", name], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def k8s(tmp_path_factory):
    """A copy of the manifests with a secret of the ingress, and with people."""
    k8s = tmp_path_factory.mktemp("many") / "k8s"
    shutil.copytree(ROOT / "k8s", k8s, ignore=shutil.ignore_patterns("secret", "people"))
    (k8s / "components/door-secret/secret").write_text("0123abcd\n")
    for name in PEOPLE:
        code, _, said = add(k8s, name)
        assert code == 0, said
    return k8s


@pytest.fixture(scope="module")
def many(k8s):
    """All objects, by `Kind/name`."""
    found = dict(objects(k8s / "overlays/many"))
    for folder in [k8s / "people", *(k8s / "people" / name for name in PEOPLE)]:
        new = objects(folder)
        assert not set(found) & set(new), "two objects of one kind and name"
        found |= new
    return found


def spec(many, deployment):
    return many[f"Deployment/{deployment}"]["spec"]["template"]["spec"]


def labels(many, deployment):
    return many[f"Deployment/{deployment}"]["spec"]["template"]["metadata"]["labels"]


def dispatcher(many, deployment):
    containers = spec(many, deployment)["containers"] + spec(many, deployment).get("initContainers", [])
    return at(containers, ["dispatcher"])


def env(many, deployment, name):
    return at(dispatcher(many, deployment)["env"], [name])["value"]


def test_what_there_is(many):
    shared = {"Namespace/t3", "Deployment/front", "Service/front", "PodDisruptionBudget/front", "Ingress/front"}
    shared |= {f"NetworkPolicy/{name}" for name in ("default-deny", "dns", "front", "front-to-people", "people")}
    shared |= {"Middleware/door", "Secret/t3-afk-door", "Secret/upstream"}
    each = {"Deployment/t3-{}", "Service/t3-{}", "PersistentVolumeClaim/t3-data-{}", "Secret/t3-door-{}"}
    assert set(many) == shared | {one.format(name) for one in each for name in PEOPLE}
    assert {one["metadata"].get("namespace", "t3") for one in many.values()} == {"t3"}


def test_the_tools_take_every_object(many, tmp_path):
    for item in many.values():
        if item["kind"] not in CUSTOM:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)
    found = kubernetes(tmp_path, many.values())
    judge("front", {one for one in found if one[1] == "Deployment.t3.front"})
    judge("pod", {one for one in found if one[1] == "Deployment.t3.t3-alice"})
    judged = {f"Deployment.t3.{name}" for name in ("front", "t3-alice", "t3-bob-2")}
    assert {resource for _, resource in found} <= judged


@pytest.mark.parametrize("name", PEOPLE)
def test_the_template_leads_to_that_person_s_pod_alone(many, name):
    host, port = env(many, "front", "DISPATCHER_UPSTREAM_TEMPLATE").replace("{user}", name).split(":")
    label, namespace, rest = host.split(".", 2)
    assert (namespace, rest) == ("t3", "svc.cluster.local")
    service = many[f"Service/{label}"]["spec"]
    assert service["ports"] == [{"port": int(port), "targetPort": 8080}]
    # A pod's address may be the next one's while DNS still says it; a Service's is not.
    assert service["type"] == "ClusterIP" and service.get("clusterIP") != "None"
    selected = [one for one in ["front", *(f"t3-{one}" for one in PEOPLE)] if holds(service["selector"], labels(many, one))]
    assert selected == [f"t3-{name}"]
    assert many[f"Deployment/t3-{name}"]["spec"]["selector"]["matchLabels"] == {"app": "t3", "person": name}
    claims = [one["persistentVolumeClaim"]["claimName"] for one in spec(many, f"t3-{name}")["volumes"] if "persistentVolumeClaim" in one]
    assert claims == [f"t3-data-{name}"]


def test_no_person_is_called_as_something_else_is(many):
    prefix = env(many, "front", "DISPATCHER_UPSTREAM_TEMPLATE").split("{user}")[0]
    services = {name for kind, name in (one.split("/") for one in many) if kind == "Service"}
    assert {one for one in services if one.startswith(prefix)} == {prefix + name for name in PEOPLE}


def test_each_person_has_a_secret_of_their_own_and_the_front_has_all(many):
    folder, _, file = env(many, "front", "DISPATCHER_UPSTREAM_SECRET_FILE").rpartition("/")
    mount = at(dispatcher(many, "front")["volumeMounts"], [folder])
    volume = at(spec(many, "front")["volumes"], [mount["name"]])["secret"]
    assert mount["readOnly"] and "subPath" not in mount
    # Until there is anybody there is no such Secret.
    assert volume["optional"] is True and volume["secretName"] == "upstream"
    held = many["Secret/upstream"]["data"]
    assert len(set(held.values())) == len(held) == len(PEOPLE)
    for name in PEOPLE:
        own = many[f"Secret/t3-door-{name}"]["data"]
        assert own == {"secret": held[file.replace("{user}", name)]}
        assert re.fullmatch(r"[0-9a-f]{64}\n", b64decode(own["secret"]).decode())
        path = env(many, f"t3-{name}", "DISPATCHER_SECRET_FILE")
        assert path == "/door/secret"
        mount = at(dispatcher(many, f"t3-{name}")["volumeMounts"], ["/door"])
        assert at(spec(many, f"t3-{name}")["volumes"], [mount["name"]])["secret"]["secretName"] == f"t3-door-{name}"


@pytest.mark.parametrize("name", PEOPLE)
def test_nothing_of_the_front_s_reaches_an_agent(many, name):
    (t3,) = spec(many, f"t3-{name}")["containers"]
    assert t3["envFrom"] == [{"secretRef": {"name": "t3-agent", "optional": True}}]
    assert t3["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
    # Its environment would have the names of all people.
    assert spec(many, f"t3-{name}")["enableServiceLinks"] is False is spec(many, "front")["enableServiceLinks"]
    assert spec(many, f"t3-{name}")["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", PEOPLE)
def test_a_person_s_pod_lets_in_that_person_alone(many, name):
    variable = at(dispatcher(many, f"t3-{name}")["env"], ["DISPATCHER_ALLOWED_USERS"])
    field = variable["valueFrom"]["fieldRef"]["fieldPath"]
    assert field == "metadata.labels['person']" and labels(many, f"t3-{name}")["person"] == name
    assert env(many, f"t3-{name}", "DISPATCHER_GATE") == env(many, "front", "DISPATCHER_GATE")


def test_a_person_s_pod_is_the_base_s(many):
    base = objects(ROOT / "k8s/base")["Deployment/t3-afk"]["spec"]["template"]["spec"]
    ours = spec(many, "t3-alice")
    for kind in ("initContainers", "containers"):
        assert [one["name"] for one in ours[kind]] == [one["name"] for one in base[kind]]
        for one, theirs in zip(ours[kind], base[kind]):
            changed = {"env", "envFrom", "volumeMounts"}
            assert {key: one[key] for key in set(one) - changed} == {key: theirs[key] for key in set(theirs) - changed}


def test_the_front_is_the_base_s_dispatcher_without_t3(many):
    base = at(objects(ROOT / "k8s/base")["Deployment/t3-afk"]["spec"]["template"]["spec"]["initContainers"], ["dispatcher"])
    assert "initContainers" not in spec(many, "front")
    (front,) = spec(many, "front")["containers"]
    for key in ("startupProbe", "readinessProbe", "livenessProbe", "ports", "securityContext", "resources"):
        assert front[key] == base[key]
    assert front["image"] == at(objects()["Deployment/t3-afk"]["spec"]["template"]["spec"]["initContainers"], ["install-dispatcher"])["image"]
    assert front["securityContext"] == CONFINED and not {"command", "args", "restartPolicy"} & set(front)
    assert [one["name"] for one in spec(many, "front")["volumes"]] == ["upstream", "door"]
    assert {one["name"] for one in front["volumeMounts"]} == {"upstream", "door"}


def test_one_front_is_always_there(many):
    deployment = many["Deployment/front"]["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    budget = many["PodDisruptionBudget/front"]["spec"]
    assert budget["maxUnavailable"] == 1 and holds(budget["selector"]["matchLabels"], labels(many, "front"))
    assert not any(holds(budget["selector"]["matchLabels"], labels(many, f"t3-{name}")) for name in PEOPLE)
    node, zone = spec(many, "front")["topologySpreadConstraints"]
    assert node["topologyKey"] == "kubernetes.io/hostname" and node["whenUnsatisfiable"] == "DoNotSchedule"
    assert zone["topologyKey"] == "topology.kubernetes.io/zone" and zone["whenUnsatisfiable"] == "ScheduleAnyway"
    for one in (node, zone):
        assert one["labelSelector"]["matchLabels"] == deployment["selector"]["matchLabels"] == labels(many, "front")


def test_a_front_that_ends_still_takes_what_is_on_its_way(many):
    # As long as it is among the ready addresses, its listener is open.
    assert many["Service/front"]["spec"]["publishNotReadyAddresses"] is False
    delay, drain = (seconds(env(many, "front", f"DISPATCHER_DRAIN_{one}")) for one in ("DELAY", "TIMEOUT"))
    assert delay >= 5
    assert delay + drain + 10 <= spec(many, "front")["terminationGracePeriodSeconds"]


def test_the_ingress_leads_through_the_gate_and_the_door_to_the_front(many):
    ingress = many["Ingress/front"]
    chain = ingress["metadata"]["annotations"]["traefik.ingress.kubernetes.io/router.middlewares"]
    assert chain == "traefik-authentik-forward-auth@kubernetescrd,t3-door@kubernetescrd"
    assert (many["Middleware/door"]["metadata"]["namespace"], many["Middleware/door"]["metadata"]["name"]) == ("t3", "door")
    shown = many["Middleware/door"]["spec"]["headers"]["customRequestHeaders"]
    assert shown == {"X-Dispatcher-Secret": "0123abcd"}
    assert env(many, "front", "DISPATCHER_SECRET_FILE") == "/door/secret"
    assert at(spec(many, "front")["volumes"], ["door"])["secret"]["secretName"] == "t3-afk-door"
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = many[f"Service/{backend['name']}"]["spec"]
    assert [one["port"] for one in service["ports"]] == [backend["port"]["number"]]
    assert service["selector"] == labels(many, "front")


# Who reaches whom, as the NetworkPolicies say it. A pod is its namespace and its labels; an address is itself.


def holds(wanted, given):
    return all(given.get(key) == value for key, value in wanted.items())


def is_peer(rule, end):
    if isinstance(end, str):
        block, address = rule.get("ipBlock"), ipaddress.ip_address(end)
        nets = [ipaddress.ip_network(one) for one in [block["cidr"], *block.get("except", [])]] if block else []
        return bool(nets) and address in nets[0] and not any(address in one for one in nets[1:])
    namespace, given = end
    if "ipBlock" in rule:
        # Whatever address the cluster gives it, it is a private one.
        return is_peer(rule, "10.42.0.7")
    where = rule["namespaceSelector"]["matchLabels"] if "namespaceSelector" in rule else {"kubernetes.io/metadata.name": "t3"}
    return holds(where, {"kubernetes.io/metadata.name": namespace}) and holds(rule.get("podSelector", {}).get("matchLabels", {}), given)


def lets(many, way, pod, other, port, protocol):
    """Whether the policies of a pod let through what it is sent (`Ingress`) or sends (`Egress`)."""
    if isinstance(pod, str) or pod[0] != "t3":
        return True
    own = [one["spec"] for one in many.values() if one["kind"] == "NetworkPolicy"]
    own = [one for one in own if way in one["policyTypes"] and holds(one["podSelector"].get("matchLabels", {}), pod[1])]
    assert own, "no policy holds it: it is open"
    for rule in (rule for one in own for rule in one.get(way.lower(), [])):
        ports = rule.get("ports")
        if ports is None or {"protocol": protocol, "port": port} in ports:
            if any(is_peer(peer, other) for peer in rule["from" if way == "Ingress" else "to"]):
                return True
    return False


def reaches(many, source, target, port, protocol="TCP"):
    return lets(many, "Egress", source, target, port, protocol) and lets(many, "Ingress", target, source, port, protocol)


def test_who_reaches_whom(many):
    front, alice, bob = (("t3", labels(many, one)) for one in ("front", "t3-alice", "t3-bob-2"))
    traefik, monitoring, dns, other = (("traefik", {}), ("monitoring", {}), ("kube-system", {"k8s-app": "kube-dns"}), ("other", {"app": "front"}))
    pods = {"front": front, "alice": alice, "bob": bob, "traefik": traefik, "monitoring": monitoring, "other": other}
    open_ways = {
        (one, to, port)
        for one in pods
        for to in ("front", "alice", "bob")
        for port in (22, 3773, 8080, 9464)
        if one != to and reaches(many, pods[one], pods[to], port)
    }
    assert open_ways == {
        ("traefik", "front", 8080),
        ("front", "alice", 8080),
        ("front", "bob", 8080),
        ("monitoring", "front", 9464),
        ("monitoring", "alice", 9464),
        ("monitoring", "bob", 9464),
    }
    for pod in (front, alice, bob):
        for protocol in ("UDP", "TCP"):
            assert reaches(many, pod, dns, 53, protocol) and reaches(many, pod, "169.254.20.10", 53, protocol)
        assert not reaches(many, pod, other, 8080) and not reaches(many, pod, dns, 8080)


@pytest.mark.parametrize("address", ["140.82.121.3", "2606:50c0:8000::153"])
def test_agents_reach_the_internet(many, address):
    assert reaches(many, ("t3", labels(many, "t3-alice")), address, 443)
    assert not reaches(many, ("t3", labels(many, "front")), address, 443)


@pytest.mark.parametrize("address", ["10.0.0.1", "172.20.0.1", "192.168.1.127", "100.64.0.1", "169.254.169.254", "fd00::1", "fe80::1"])
def test_agents_reach_no_private_network(many, address):
    assert not reaches(many, ("t3", labels(many, "t3-alice")), address, 443)


# What `k8s/add-person` writes.


def test_a_person_is_five_lines(k8s):
    for name in PEOPLE:
        assert len((k8s / f"people/{name}/kustomization.yaml").read_text().splitlines()) == 5


def test_what_is_printed_applies_it(k8s, tmp_path):
    copy = tmp_path / "k8s"
    shutil.copytree(k8s, copy)
    code, said, _ = add(copy, "carol")
    assert code == 0
    commands = [line for line in said.splitlines() if line.startswith("kubectl")]
    assert commands == [f"kubectl apply --server-side -k k8s/{one}" for one in ("people", "people/carol")]
    assert "t3-carol" in objects(copy / "people")["Secret/upstream"]["data"]
    assert "Service/t3-carol" in objects(copy / "people/carol")
    # Nothing of the secret is printed.
    assert (copy / "people/carol/secret").read_text().strip() not in said


@pytest.mark.parametrize("name", ["007", "1e5", "null", "y", "a", "0x10", "x" * 60])
def test_a_name_is_a_text_whatever_it_looks_like(tmp_path, k8s, name):
    copy = tmp_path / "k8s"
    shutil.copytree(k8s, copy)
    assert add(copy, name)[0] == 0
    assert f"t3-{name}" in objects(copy / "people")["Secret/upstream"]["data"]
    found = objects(copy / "people" / name)
    service = found[f"Service/t3-{name}"]
    assert service["spec"]["selector"] == {"app": "t3", "person": name} and len(service["metadata"]["name"]) <= 63
    for item in found.values():
        kubernetes_validate.validate(item, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", ["", "-", "-a", "a-", "Alice", "a.b", "a_b", "a b", "a/b", "..", "ä", "a\nb", "a\n", "x" * 61, *PEOPLE])
def test_a_name_that_is_none_or_taken_is_refused(k8s, name):
    before = {path: path.read_bytes() for path in k8s.rglob("*") if path.is_file()}
    code, said, why = add(k8s, name)
    assert (code, said) == (1, "") and why.startswith("add-person: ")
    assert {path: path.read_bytes() for path in k8s.rglob("*") if path.is_file()} == before


def test_no_person_s_secret_is_in_a_commit(k8s):
    secret = k8s / "people/alice/secret"
    assert secret.stat().st_mode & 0o077 == 0
    ignored = ["git", "check-ignore", "--no-index", "-q"]
    assert subprocess.run([*ignored, "k8s/people/alice/secret"], cwd=ROOT, timeout=60).returncode == 0
    for kept in ("k8s/people/kustomization.yaml", "k8s/people/alice/kustomization.yaml"):
        assert subprocess.run([*ignored, kept], cwd=ROOT, timeout=60).returncode == 1
        assert secret.read_text().strip() not in (k8s.parent / kept).read_text()
