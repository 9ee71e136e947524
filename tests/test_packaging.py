"""The wheel holds exactly the code, rules, cards and examples of this checkout, and its commands start."""

import importlib
import shutil
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SCRIPTS: dict[str, str] = PROJECT["scripts"]
# Folder in the checkout -> folder in the wheel.
SHIPPED = {"cds_service": "cds_service"} | {name: f"cds_service/{name}" for name in ("rules", "cards", "examples")}


def shipped_files(folder: str) -> set[str]:
    """Paths below a folder of the checkout, without caches and hidden or backup files."""
    return {
        path.relative_to(ROOT / folder).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not path.name.endswith("~")
        and not any(part.startswith(".") for part in path.relative_to(ROOT / folder).parts)
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """The wheel, built from a copy so that neither `build/` nor `*.egg-info` of the checkout matters."""
    source = tmp_path_factory.mktemp("source")
    for folder in SHIPPED:
        shutil.copytree(ROOT / folder, source / folder)
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return zipfile.Path(built)


def names(wheel: zipfile.Path) -> set[str]:
    return {name for name in wheel.root.namelist() if not name.endswith("/")}


@pytest.mark.parametrize("folder", SHIPPED)
def test_wheel_has_every_file_of(folder: str, wheel: zipfile.Path) -> None:
    expected = {f"{SHIPPED[folder]}/{name}" for name in shipped_files(folder)}
    assert expected, f"{folder}/ is empty"
    assert expected - names(wheel) == set()


def test_wheel_has_nothing_else(wheel: zipfile.Path) -> None:
    expected = {f"{target}/{name}" for folder, target in SHIPPED.items() for name in shipped_files(folder)}
    found = {name for name in names(wheel) if ".dist-info/" not in name}
    assert found - expected == set()


def test_wheel_is_typed_licensed_and_has_the_commands(wheel: zipfile.Path) -> None:
    assert "cds_service/py.typed" in names(wheel)
    (dist_info,) = {name.split("/")[0] for name in names(wheel) if ".dist-info/" in name}
    assert f"{dist_info}/licenses/LICENSE" in names(wheel)
    entry_points = ConfigParser()
    entry_points.read_string(wheel.root.read(f"{dist_info}/entry_points.txt").decode())
    assert dict(entry_points["console_scripts"]) == SCRIPTS


def test_wheel_has_the_templates_of_the_tools(wheel: zipfile.Path) -> None:
    templates = {name.rpartition("/")[2] for name in names(wheel) if "/tools/catalogue/templates/" in name}
    assert templates >= {"base.html.j2", "rule.html.j2", "not_found.html.j2", "style.css", "search.js"}


def test_wheel_asks_for_what_serves_and_offers_the_rest_as_extras(wheel: zipfile.Path) -> None:
    (metadata,) = (name for name in names(wheel) if name.endswith(".dist-info/METADATA"))
    told = message_from_bytes(wheel.root.read(metadata))
    assert set(told.get_all("Provides-Extra", ())) == {"tools", "cohort", "docs", "otel", "postgres", "dev"}
    required = [each for each in told.get_all("Requires-Dist", ()) if "extra ==" not in each]
    assert len(required) == len(PROJECT["dependencies"])
    assert not [each for each in required if each.startswith(("rich", "requests"))]


@pytest.mark.parametrize("script", SCRIPTS)
def test_command_can_be_imported(script: str) -> None:
    module, function = SCRIPTS[script].split(":")
    assert callable(getattr(importlib.import_module(module), function))
