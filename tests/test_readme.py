"""What the README shows is what the files say."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service import knowledge
from cds_service.cli import main
from cds_service.program import compile_program
from cds_service.settings import TABLE

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "shown", ["rules/toxicities/crs/one-dose-shortage.yaml", "rules/toxicities/crs/one-dose-shortage.cases.yaml"]
)
def test_the_rule_is_shown_as_it_stands(shown: str) -> None:
    assert (CHECKOUT / shown).read_text(encoding="utf-8").rstrip() in README


@pytest.mark.parametrize("setting", TABLE, ids=lambda s: s.name)
def test_every_setting_is_documented(setting: object) -> None:
    assert f"| `{setting.name}` |" in README  # type: ignore[attr-defined]
    assert setting.help in README  # type: ignore[attr-defined]


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="the block needs bash and curl")
def test_the_call_works_as_it_is_pasted(tmp_path: Path) -> None:
    """With a `make` that starts this very service on a free port, as the Makefile's `run` does on 8080."""
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    assert "$(BIN)/anakinra-cds serve --host 127.0.0.1 --port 8080" in makefile.partition("\nrun:")[2][:200]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    make = tmp_path / "make"
    make.write_text(
        f'#!/bin/sh\n[ "$1" = run ] && exec {sys.executable} -m cds_service.cli serve --port {port} --workers 1\n',
        encoding="utf-8",
    )
    make.chmod(0o755)
    (block,) = (each for each in blocks("sh") if "make run" in each)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    environment["PATH"] = f"{tmp_path}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"{block.replace('8080', str(port))}wait"],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert '"summary": "Anakinra 100 mg SC q12h (200 mg/day): CRS grade 2 refractory' in done.stdout, done.stderr
    assert '"status":"ready"' in done.stdout
    assert '"services"' in done.stdout
    with socket.create_server(("127.0.0.1", port)):
        pass  # it was stopped


def test_the_commands_work_as_they_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a block in their order; where a rule is begun, in a copy of the files."""
    for folder in ("rules", "cards"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder)
    (tmp_path / "examples").symlink_to(CHECKOUT / "examples")
    monkeypatch.chdir(tmp_path)
    start, seen = "$ .venv/bin/anakinra-cds ", set()
    for block in blocks("console"):
        monkeypatch.setenv("CDS_KNOWLEDGE", str(tmp_path) if "new-rule" in block else "")
        for line in block.splitlines():
            if line.startswith(start):
                words = shlex.split(line.removeprefix(start), comments=True)
                seen.add(words[0])
                result = CliRunner().invoke(main, words)
                assert result.exit_code == 0, f"{words}: {result.output}"
    assert seen == {"new-rule", "audit", "check", "explain", "facts", "feedback", "replay", "synth", "export"}


def test_the_request_answers_todays_templates() -> None:
    request = json.loads((CHECKOUT / "examples/requests/refractory-grade-2.json").read_text(encoding="utf-8"))
    advertised = compile_program(knowledge.load()).templates
    assert sorted(request["prefetch"]) == sorted(advertised)
