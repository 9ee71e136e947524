"""Settings come from one table; the commands come from one folder."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service import cli
from cds_service.app import create_app
from cds_service.errors import CallError, KnowledgeError, SettingsError
from cds_service.settings import TABLE, Settings, from_environ
from tests.web.stub import StubService


def test_defaults_of_the_table_are_the_defaults_of_the_class() -> None:
    assert from_environ({"HOME": "/"}) == Settings()
    assert [row.field for row in TABLE] == [each.name for each in dataclasses.fields(Settings)][:-1]


def test_values(tmp_path: Path) -> None:
    for name in ("rules", "cards"):
        (tmp_path / name).mkdir()
    found = from_environ(
        {
            "CDS_SITE": "eu",
            "CDS_KNOWLEDGE": str(tmp_path),
            "CDS_ALLOW_EVALUATION_TIME": "On",
            "CDS_MAX_BODY_BYTES": "4096",
            "CDS_CORS_ORIGINS": "https://a.example, https://b.example,",
            "CDS_LOG_LEVEL": "debug",
            "CDS_WORKERS": "1",
        }
    )
    assert found == Settings("eu", tmp_path, True, 4096, ("https://a.example", "https://b.example"), "DEBUG", 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CDS_SITE", " "),
        ("CDS_KNOWLEDGE", "/nowhere"),
        ("CDS_ALLOW_EVALUATION_TIME", "maybe"),
        ("CDS_MAX_BODY_BYTES", "2M"),
        ("CDS_MAX_BODY_BYTES", "1"),
        ("CDS_LOG_LEVEL", "loud"),
        ("CDS_WORKERS", "0"),
        ("CDS_THREADS", "-1"),
        ("CDS_TIMEOUT", "٣"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_was_expected(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"(?m)^{name}: expected ") as found:
        from_environ({name: value, "CDS_THREADS" if name != "CDS_THREADS" else "CDS_SITE": "\t"})
    assert str(found.value).count("\n") == 1


def test_unknown_settings_are_told(caplog: pytest.LogCaptureFixture) -> None:
    settings = from_environ({"CDS_WORKER": "2", "CDS_XYZZY_QUUX": "1", "OTHER": ""})
    with caplog.at_level(logging.WARNING):
        create_app(settings, StubService())
    assert "CDS_WORKER: no such setting, ignored; did you mean CDS_WORKERS?" in caplog.text
    assert "CDS_XYZZY_QUUX: no such setting, ignored" in caplog.text


def test_errors_say_what_they_hold() -> None:
    assert str(KnowledgeError(["a:1: x", "b:2: y"])) == "a:1: x\nb:2: y"
    assert KnowledgeError("a:1: x").problems == ("a:1: x",)
    assert str(CallError(400, "invalid", "hook: expected")) == "400 invalid: hook: expected"


def test_the_commands_are_those_that_there_are() -> None:
    listed = cli.main.list_commands(None)  # type: ignore[arg-type]
    assert "serve" in listed
    result = CliRunner().invoke(cli.main, ["serve", "--help"])
    assert result.exit_code == 0
    for row in TABLE:
        assert row.name in result.output
        assert row.help in result.output
    assert CliRunner().invoke(cli.main, ["nonsense"]).exit_code == 2


def test_a_bad_setting_is_a_message_and_no_traceback() -> None:
    result = CliRunner(env={"CDS_TIMEOUT": "soon"}).invoke(cli.main, ["serve"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: CDS_TIMEOUT: expected a whole number from 1 to 600")
