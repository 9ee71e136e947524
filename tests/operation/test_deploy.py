"""The Dockerfile, compose.yaml and deploy/: linted, and of what there is: settings, addresses, a site that loads."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cds_service import knowledge
from cds_service.settings import TABLE
from tests.support.shipped import ROOT
from tests.web.stub import StubService, client_of

KUBERNETES = ROOT / "deploy/kubernetes"
MANIFESTS = sorted(path for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml")
FILES = [ROOT / "Dockerfile", ROOT / "compose.yaml", *(p for p in sorted((ROOT / "deploy").rglob("*")) if p.is_file())]


def passes(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> str:
    """A linter of the extra `dev`, beside this Python."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is not installed: make test installs it"
    return found


def test_the_dockerfile() -> None:
    passes(tool("hadolint"), "Dockerfile")
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    last = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE), "as a number: Kubernetes asks whether it is root"
    assert "HEALTHCHECK" in last
    assert "build-essential" not in last


def test_every_yaml_file() -> None:
    passes(tool("yamllint"), "--strict", "--config-file", "deploy/.yamllint.yaml", "compose.yaml", "deploy")


def test_compose() -> None:
    passes(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "compose.yaml")
    for service in read(ROOT / "compose.yaml")["services"].values():
        for volume in service.get("volumes", ()):
            source = str(volume).partition(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), source


def test_manifests() -> None:
    assert len(MANIFESTS) == 5
    passes(tool("kubernetes-validate"), "--strict", "--quiet", *map(str, MANIFESTS))
    kustomization = read(KUBERNETES / "kustomization.yaml")
    assert set(kustomization["resources"]) == {path.name for path in MANIFESTS}


def test_what_runs_is_bounded_and_may_not_write_or_become_root() -> None:
    for container, pod in containers():
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys() & container["resources"]["requests"].keys()
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]}


def test_probes_ask_what_answers() -> None:
    client = client_of(StubService())
    for container, _ in containers():
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            if name in container:
                probe = container[name]
                assert client.get(probe["httpGet"]["path"]).status_code == 200
                assert probe["httpGet"]["port"] in {port["name"] for port in container["ports"]}


def test_what_selects_finds_the_pods() -> None:
    kinds = {manifest["kind"]: manifest["spec"] for manifest in map(read, MANIFESTS)}
    labels = kinds["Deployment"]["template"]["metadata"]["labels"].items()
    assert kinds["Deployment"]["selector"]["matchLabels"].items() <= labels
    assert kinds["Service"]["selector"].items() <= labels
    assert kinds["PodDisruptionBudget"]["selector"]["matchLabels"].items() <= labels
    assert kinds["NetworkPolicy"]["podSelector"]["matchLabels"].items() <= labels


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_setting_that_is_named_is_one(file: Path) -> None:
    named = set(re.findall(r"\bCDS_[A-Z_]+\b", file.read_text(encoding="utf-8")))
    assert named <= {row.name for row in TABLE}


def test_the_sites_that_are_mounted_load() -> None:
    assert knowledge.load(ROOT, str(ROOT / "deploy/site")).site.id == "our-hospital"
    assert knowledge.load(ROOT, str(KUBERNETES / "site")).site.issuers
    (generated,) = read(KUBERNETES / "kustomization.yaml")["configMapGenerator"]
    (mounted,) = [v["configMap"] for _, pod in containers() for v in pod["volumes"] if "configMap" in v]
    assert mounted["name"] == generated["name"]
    assert {item["key"]: f"site/{item['path']}" for item in mounted["items"]} == {
        Path(name).name: name for name in generated["files"]
    }


def test_a_site_from_a_config_map_is_the_same_site(tmp_path: Path) -> None:
    """The kubelet mounts a folder of links into `..data`, itself a link to what it exchanges as a whole."""
    example = ROOT / "examples/site-local-codes"
    written = tmp_path / "..2026_11_28_12_00_00.123456789"
    shutil.copytree(example, written, ignore=shutil.ignore_patterns("patients", "expected.yaml"))
    (tmp_path / "..data").symlink_to(written.name)
    for path in written.iterdir():
        (tmp_path / path.name).symlink_to(f"..data/{path.name}")
    mounted, plain = (knowledge.load(ROOT, str(path)) for path in (tmp_path, example))
    assert mounted.digest == plain.digest
    assert mounted.local_codes == plain.local_codes != {}


def test_secrets_are_made_once_and_are_those_that_are_mounted(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "deploy"))
    try:
        make = importlib.import_module("make_secrets")
    finally:
        sys.path.pop(0)
    make.main(tmp_path)
    first = {path.name: path.read_text(encoding="ascii") for path in tmp_path.iterdir()}
    make.main(tmp_path)
    assert {path.name: path.read_text(encoding="ascii") for path in tmp_path.iterdir()} == first
    assert first.keys() == read(ROOT / "compose.yaml")["secrets"].keys()
    assert len(set(first.values())) == len(first)


def containers() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(container, its pod) of everything that runs."""
    for manifest in map(read, MANIFESTS):
        if manifest["kind"] in ("Deployment", "Job"):
            pod = manifest["spec"]["template"]["spec"]
            yield from ((container, pod) for container in pod["containers"])


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def test_what_the_wheel_is_made_of_goes_into_the_build() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = set(project["tool"]["setuptools"]["package-dir"].values())
    needed |= {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"}
    assert needed <= sent
