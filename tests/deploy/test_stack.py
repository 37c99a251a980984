"""The rendered overlay says what the stack says, value by value (stack.yaml)."""

import pytest
import yaml

from rendering import BASE, OVERLAY, ROOT, at, objects, pod

TABLE = yaml.safe_load((ROOT / "tests/deploy/stack.yaml").read_text())
ROWS = [(name, path, want) for name, rows in TABLE.items() for path, want in rows.items()]
# What a namespaced object is called in, and what the cluster has outside of any.
CLUSTER_WIDE = {"Namespace", "PersistentVolume"}
# Beside the stack's own objects.
BEYOND = {"NetworkPolicy/t3-afk", "Ingress/t3-afk-assets", "Middleware/assets-rate-limit"}


def steps(path):
    """`a.b.c` as steps; an annotation's name has dots of its own, but stands in no path here."""
    return path.split(".")


@pytest.mark.parametrize("name,path,want", ROWS, ids=[f"{name}:{path}" for name, path, _ in ROWS])
def test_the_stack_s_value(name, path, want):
    assert at(objects()[name], steps(path)) == want


def test_no_object_is_missing_or_new():
    assert set(objects()) == set(TABLE) | BEYOND


@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=["base", "overlay"])
def test_containers_and_their_order(folder):
    spec = pod(folder)
    order = ["fix-perms", "install-dispatcher", "dispatcher", "install-t3"]
    assert [one["name"] for one in spec["initContainers"]] == order
    assert [one["name"] for one in spec["containers"]] == ["t3"]


def test_every_object_is_in_the_namespace():
    for name, item in objects().items():
        if item["kind"] not in CLUSTER_WIDE:
            assert item["metadata"]["namespace"] == "t3-afk", name
