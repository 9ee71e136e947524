"""The settings: one table of `CDS_*` environment variables, read once at start.

A secret may be a file instead, named like its variable, in the folder `CDS_SECRETS`: so Docker and Kubernetes hand them
in, and an environment is shown in more places than a file.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from cds_service.contract import BODY_BYTES
from cds_service.errors import SettingsError
from cds_service.setting_kinds import (
    Address,
    Data,
    Database,
    Key,
    Knowledge,
    Level,
    Limit,
    Name,
    Pages,
    Secrets,
    Switch,
    Text,
    Texts,
    Trust,
    whole,
)


class Settings(BaseSettings):
    """The settings of one process: the table. A field `x` is the variable `CDS_X`; its description is what it does.

    What is not handed in has its default: only `from_environ` looks at the environment. `unknown` lists variables that
    look like settings but are none, with advice.
    """

    model_config = SettingsConfigDict(env_prefix="CDS_", frozen=True, hide_input_in_errors=True)

    site: Text = Field(default="us", description="Id of a shipped site, or path of a site's folder or YAML file.")
    knowledge: Knowledge = Field(
        default=None, description="Folder with reviewed rules/ and cards/; empty: those shipped."
    )
    allow_evaluation_time: Switch = Field(
        default=False, description="Whether a call may choose the time it is evaluated at (replay and tests only)."
    )
    max_body_bytes: Annotated[int, whole(1024, 2**30)] = Field(
        default=BODY_BYTES, description="Largest body of a call."
    )
    cors_origins: Texts = Field(default=(), description="Browser origins allowed besides the site's, by commas.")
    log_level: Level = Field(default="INFO", description="Least severe level that is logged.")
    workers: Annotated[int, whole(1, 64)] = Field(default=2, description="Worker processes, each with its own engine.")
    threads: Annotated[int, whole(1, 128)] = Field(default=4, description="Calls that each worker computes at once.")
    queue: Annotated[int, whole(1, 1000)] = Field(
        default=32, description="Calls that may wait in each worker; more are told 503."
    )
    calls_per_minute: Limit = Field(
        default=None,
        description="Calls and feedback a minute of one client (the issuer of its token, else its address); 0: any "
        "number; empty: 6000, and any number from this machine without a token.",
    )
    timeout: Annotated[int, whole(1, 600)] = Field(
        default=30, description="Seconds after which a worker that does not answer is replaced."
    )
    public_url: Address = Field(
        default="",
        description="Address at which EHRs and browsers reach this service, for tokens and the links on cards; empty: "
        "the address that was called.",
    )
    jwt: Trust = Field(
        default="auto",
        description="Whether calls and feedback need the signed token of a CDS client that the site trusts (issuers): "
        "off, required; auto: required where the service listens beyond this machine.",
    )
    pages: Pages = Field(
        default=None,
        description="Folder that `anakinra-cds build` made, served at /knowledge and /fhir; empty: built at each "
        "start.",
    )
    quiet_repeats: Switch = Field(
        default=False,
        description="Whether the same answer on the same unchanged draft is said briefly (each worker remembers its "
        "own answers).",
    )
    workbench: Switch = Field(
        default=False,
        description="Whether /workbench is there, a page on which to try the service; no token is asked for it.",
    )
    smart_client_id: Name = Field(
        default="",
        description="Id under which the EHR knows this service as a SMART app; with it, the first card links to a page "
        "with the patient's course and the whole basis; empty: no such page, no link.",
    )
    smart_client_secret: Name = Field(
        default="",
        repr=False,
        description="Secret of that app, where the EHR gave it one; empty: a public client.",
    )
    tracing: Switch = Field(
        default=False,
        description="Whether each request is a trace, sent to the OpenTelemetry collector of "
        "OTEL_EXPORTER_OTLP_ENDPOINT; needs the extra otel.",
    )
    store: Switch = Field(default=True, description="Whether answers are recorded and feedback is taken.")
    data: Data = Field(
        default=None,
        description="Folder of the store, made when first needed; empty: anakinra-cds in XDG_STATE_HOME or "
        "~/.local/state.",
    )
    database_url: Database = Field(
        default="",
        repr=False,
        description="PostgreSQL database of the store (postgresql://user:password@host/name); empty: SQLite in "
        "CDS_DATA.",
    )
    audit_key: Key = Field(
        default="",
        repr=False,
        description="Key of the records, 32 characters or more, the same for all machines of one store; empty: made in "
        "CDS_DATA.",
    )
    feedback_comments: Switch = Field(
        default=True, description="Whether what clinicians write with their feedback is kept (it may name patients)."
    )
    secrets: Secrets = Field(
        default=None,
        description="Folder with a file for each setting that is a secret, named like it (CDS_AUDIT_KEY); a variable "
        "wins over its file.",
    )
    unknown: tuple[str, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what code hands in; see `from_environ`."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table as it is shown: the variable, its default as it would be written, what it does."""

    name: str
    default: str
    help: str


def _written(value: Any) -> str:
    """A default as it would be written into the environment."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)


TABLE: Final = tuple(
    Setting(f"CDS_{name.upper()}", _written(each.default), each.description)
    for name, each in Settings.model_fields.items()
    if each.description
)


class _Environ(EnvSettingsSource):
    """The variables of one environment, whichever it is."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {row.name.lower(): self._environ[row.name] for row in TABLE if row.name in self._environ}


def from_environ(environ: Mapping[str, str]) -> Settings:
    """Read the table from `environ`. Raises SettingsError naming every variable whose value cannot be used."""
    folder = Path(environ.get("CDS_SECRETS") or "/nowhere")
    values = SecretsSettingsSource(Settings, folder)() if folder.is_dir() else {}
    try:
        return Settings(**{**values, **_Environ(environ)(), "unknown": _unknown(environ)})
    except ValidationError as error:
        raise SettingsError("\n".join(_problem(each) for each in error.errors())) from None


def _problem(error: Any) -> str:
    name = str(error["loc"][0])
    expected = error.get("ctx", {}).get("error", error["msg"])
    return f"CDS_{name.upper()}: expected {expected}; {Settings.model_fields[name].description}"


def _unknown(environ: Mapping[str, str]) -> tuple[str, ...]:
    known = [row.name for row in TABLE]
    found = []
    for name in sorted(environ):
        if name.startswith("CDS_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            found.append(f"{name}: no such setting, ignored" + (f"; did you mean {near[0]}?" if near else ""))
    return tuple(found)
