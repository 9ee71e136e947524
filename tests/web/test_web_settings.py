"""Settings come from one table; the commands come from one folder."""

from __future__ import annotations

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
    assert from_environ({row.name: row.default for row in TABLE if row.default}) == Settings()
    assert [row.name for row in TABLE] == [f"CDS_{name.upper()}" for name in Settings.model_fields][:-1]


def test_a_setting_that_nobody_documented_is_none() -> None:
    assert all(row.help.endswith(".") for row in TABLE)
    assert {name for name, each in Settings.model_fields.items() if not each.description} == {"unknown"}
    (told,) = from_environ({"CDS_UNKNOWN": "[]"}).unknown
    assert told.startswith("CDS_UNKNOWN: no such setting, ignored")


def test_a_secret_may_be_a_file_and_its_variable_wins(tmp_path: Path) -> None:
    """As Kubernetes mounts them: links into a folder that is exchanged as a whole."""
    kept = tmp_path / "..2026_11_28"
    kept.mkdir()
    kept.joinpath("CDS_AUDIT_KEY").write_text("k" * 40 + "\n", encoding="utf-8")
    tmp_path.joinpath("..data").symlink_to(kept.name)
    tmp_path.joinpath("CDS_AUDIT_KEY").symlink_to("..data/CDS_AUDIT_KEY")
    where = {"CDS_SECRETS": str(tmp_path)}
    assert from_environ(where).audit_key == "k" * 40
    assert from_environ(where | {"CDS_AUDIT_KEY": "v" * 40}).audit_key == "v" * 40
    kept.joinpath("CDS_AUDIT_KEY").write_text("short", encoding="utf-8")
    with pytest.raises(SettingsError, match="CDS_AUDIT_KEY: expected at least 32") as found:
        from_environ(where)
    assert "short" not in str(found.value)
    with pytest.raises(SettingsError, match="CDS_SECRETS: expected a folder"):
        from_environ({"CDS_SECRETS": str(kept / "CDS_AUDIT_KEY")})


@pytest.mark.parametrize("secret", ["CDS_AUDIT_KEY", "CDS_DATABASE_URL"])
def test_a_secret_is_never_shown(secret: str) -> None:
    written = "postgresql://u:Zq7-canary@h/d" if "URL" in secret else "Zq7-canary" * 4
    assert "Zq7" not in repr(from_environ({secret: written}))
    with pytest.raises(SettingsError) as found:
        from_environ({secret: "Zq7"})
    assert "Zq7" not in str(found.value)


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
    assert found == Settings(
        site="eu",
        knowledge=tmp_path,
        allow_evaluation_time=True,
        max_body_bytes=4096,
        cors_origins=("https://a.example", "https://b.example"),
        log_level="DEBUG",
        workers=1,
    )


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
