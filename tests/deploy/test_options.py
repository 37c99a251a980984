"""What is set in manifests, compose and units are options that there are."""

import re

import pytest

from rendering import ROOT

OPTIONS = set(re.findall(r"`--[\w-]+` \| `(\w+)`", (ROOT / "docs/options.md").read_text()))
FILES = [*(ROOT / "k8s").rglob("*.yaml"), *(ROOT / "ops/systemd").iterdir(), ROOT / "compose.yaml"]
PAGES = [ROOT / "docs/many.md", ROOT / "README.md", ROOT / "SECURITY.md"]
NAMES = r"\b(?:DISPATCHER|T3_UPSTREAM)_[A-Z][A-Z_]*[A-Z]\b"


def test_the_options_are_found():
    assert len(OPTIONS) > 40 and "DISPATCHER_SECRET_FILE" in OPTIONS


@pytest.mark.parametrize("path", [*FILES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_variable_is_an_option(path):
    named = set(re.findall(NAMES, path.read_text()))
    assert not named - OPTIONS
