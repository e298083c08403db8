"""One frozen settings object, read once: environment over `headgate.toml` over default."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from headgate.errors import InvalidInput, Problem
from headgate.job import Job, Name, TenantName
from headgate.tenancy import DEFAULT_TENANT, DEFAULT_TIERS, Tenant, Tier
from headgate.validation import problems, refuse
from headgate.value import Value

CONFIG_FILE, PREFIX = "headgate.toml", "HEADGATE_"
#: Not the broker's, and may stand beside its own: the client's, and what a task is told.
OTHERS = re.compile(r"URL|TOKEN|TASKS|ALLOCATED_\w+")
AWS_VARIABLE = 'HEADGATE_AWS, with all of [aws] as JSON: {"bucket": "..."}'
#: How alike a variable is to a setting that it is taken for a slip of.
ALIKE = 0.75
#: With a driver or without, as in `postgresql+psycopg://`.
DATABASE = re.compile(r"(postgres|postgresql|sqlite)(\+\w+)?://")


class QueueRule(Value):
    """What a queue's name stands for: a tier, and a tenant for callers who bring none."""

    tier: Name
    tenant: TenantName | None = None


class AwsSettings(Value):
    """How the `aws` engine uses AWS; the Region is `aws_region`, credentials are boto3's own.

    Whatever several brokers in one account must not share carries `stack` in its name or tags.
    """

    stack: Name = "headgate"
    bucket: str | None = Field(default=None, min_length=3, max_length=63)  #: the lake, and rows
    prefix: str = "headgate"  #: of all keys in the bucket
    iceberg_table: str | None = Field(default=None, pattern=r"\w+\.\w+")  #: the lake as a table
    image: str | None = None  #: of jobs that name neither an image nor a definition
    job_role_arn: str | None = None
    execution_role_arn: str | None = None
    log_group: str = "/aws/batch/job"  #: of the jobs; the default is Batch's own
    events_queue_url: str | None = None  #: SQS with Batch's state changes; None: only looking
    inbox_queue_url: str | None = None  #: SQS that takes jobs and sweeps
    dead_letter_url: str | None = None  #: SQS for what the inbox cannot take, with the reason
    event_bus: str | None = None  #: EventBridge bus that is told of the broker's own jobs
    endpoint_urls: dict[str, str] = Field(default_factory=dict)  #: by service; else AWS's own
    submits_per_s: float = Field(default=50.0, gt=0)  #: the quota of SubmitJob
    first_look_s: float = Field(default=1.0, ge=0)  #: after a hand-over
    look_s: float = Field(default=10.0, gt=0)  #: between looks at one leak
    children_s: float = Field(default=30.0, ge=0)  #: between lists of an array's children
    lanes_s: float = Field(default=30.0, ge=0)  #: how old what is known of the lanes may be
    lane_shut_s: float = Field(default=300.0, gt=0)  #: how long a lane without capacity stays shut
    patience_s: float = Field(default=900.0, gt=0)  #: then a lane that starts nothing is shut
    settle_s: float = Field(default=10.0, ge=0)  #: how far ListJobs may be behind SubmitJob
    report_wait_s: float = Field(default=10.0, ge=0)  #: for a task's measured use; 0: not read
    insights_wait_s: float = Field(default=0.0, ge=0)  #: the same without the shim; wants 180 s
    subnets: tuple[str, ...] = ()  #: of the lanes' instances
    security_group_ids: tuple[str, ...] = ()
    instance_role_arn: str | None = None  #: the instance profile
    launch_template: str | None = None  #: its id, as lt-...
    lane_max_vcpus: int = Field(default=256, gt=0)  #: of each new lane

    def key(self, *parts: str) -> str:
        """A key in the bucket."""
        return "/".join([self.prefix, *parts])

    def roles(self) -> dict[str, str]:
        """What job definitions say of roles, where it is set."""
        roles = {"jobRoleArn": self.job_role_arn, "executionRoleArn": self.execution_role_arn}
        return {name: arn for name, arn in roles.items() if arn}


class Settings(BaseSettings):
    """Everything that can be set; each default is what a laptop wants.

    A field is set by `HEADGATE_<FIELD>` in the environment, or by its name in `headgate.toml`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    data_dir: Path = Path("headgate-data")  #: the embedded database, logs, models and history
    database_url: str | None = None  #: None: SQLite in `data_dir`
    host: str = "127.0.0.1"
    port: int = Field(default=8470, ge=0, le=65535)  #: 0: any free port
    tokens: dict[str, TenantName] = Field(default_factory=dict)  #: token -> tenant; none: open
    tiers: tuple[Tier, ...] = DEFAULT_TIERS
    tenants: tuple[Tenant, ...] = ()
    queues: dict[Name, QueueRule] = Field(default_factory=dict)  #: `prod-queue` simply works
    default_tier: Name = "interactive"  #: of single jobs in queues without a rule
    default_sweep_tier: Name = "sweep"
    cycle_period_s: float = Field(default=0.25, ge=0.01, le=60)  #: the longest idle between passes
    local_vcpu: float | None = Field(default=None, gt=0)  #: None: all cores
    local_memory_mib: int | None = Field(default=None, gt=0)  #: None: what is free, less a reserve
    memory_attempts: int = Field(default=4, ge=0, le=10)  #: bigger tries after kills for memory
    model_poll_s: float = Field(default=2.0, gt=0)  #: how soon a promoted model is picked up
    replay_observations: int = Field(default=20_000, ge=0)  #: history read at start-up
    keep_finished_s: float = Field(default=7 * 86_400.0, gt=0)  #: then only the lake has them
    aws_region: str = Field(default="us-east-1", pattern=r"[a-z0-9-]+")  #: in ARNs, unless signed
    aws_account: str = Field(default="123456789012", pattern=r"[0-9]{12}")  #: in ARNs
    log_format: Literal["text", "json"] = "text"  #: of the broker's own log, on stderr
    engine: Literal["local", "aws"] = "local"  #: where tasks run
    aws: AwsSettings = AwsSettings()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [tier.name for tier in self.tiers]
        if len(set(names)) < len(names):
            refuse("tiers", names, "each name once")
        if sum(tier.min_share for tier in self.tiers) > 1:
            refuse("tiers", [tier.min_share for tier in self.tiers], "min_share adding up to <= 1")
        self._names_known_tiers(names)
        if any(not (one.strip() and one.isascii() and one.isprintable()) for one in self.tokens):
            refuse("tokens", "one that no header can carry", "printable ASCII, not empty")
        if self.database_url is not None and not DATABASE.match(self.database_url):
            scheme, _, _ = self.database_url.partition(":")  # what follows may hold a password
            refuse("database_url", f"{scheme}:...", "postgresql://USER@HOST/NAME or sqlite:///FILE")
        if not self.tokens and not is_loopback(self.host):
            refuse("host", self.host, "a loopback address, as long as no tokens are set")
        return self

    def _names_known_tiers(self, names: list[str]) -> None:
        used = {"default_tier": self.default_tier, "default_sweep_tier": self.default_sweep_tier}
        used |= {f"queues.{name}.tier": rule.tier for name, rule in self.queues.items()}
        for field, tier in used.items():
            if tier not in names:
                refuse(field, tier, f"one of {', '.join(names)}")

    @property
    def database_file(self) -> Path:
        """The embedded database."""
        return self.data_dir.absolute() / "headgate.db"

    @property
    def store_url(self) -> str:
        """SQLAlchemy's URL of the database; plain `postgresql://` means psycopg 3."""
        if self.database_url is None:
            return f"sqlite:///{self.database_file}"
        for plain in ("postgres://", "postgresql://"):
            if self.database_url.startswith(plain):
                return "postgresql+psycopg://" + self.database_url.removeprefix(plain)
        return self.database_url

    @property
    def needed_tiers(self) -> frozenset[str]:
        """Those that defaults and queues lead to."""
        ruled = (rule.tier for rule in self.queues.values())
        return frozenset({self.default_tier, self.default_sweep_tier, *ruled})

    def tier_of(self, job: Job, tiers: Sequence[Tier], *, array: bool) -> Tier:
        """The job's own tier, else its queue's, else one named like the queue, else the default.

        `tiers` are those that there are now; `InvalidInput` names them.
        """
        if job.tier is not None:
            return tier_named(job.tier, tiers)
        rule = self.queues.get(job.queue)
        if rule is not None:
            return tier_named(rule.tier, tiers)
        named = [tier for tier in tiers if tier.name == job.queue]
        default = self.default_sweep_tier if array else self.default_tier
        return named[0] if named else tier_named(default, tiers)

    def tenant_of(self, job: Job, caller: str | None) -> str:
        """The caller's own tenant, else the job's, else the queue's, else the default."""
        rule = self.queues.get(job.queue)
        return caller or job.tenant or (rule.tenant if rule else None) or DEFAULT_TENANT

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        file = TomlConfigSettingsSource(settings_cls, CONFIG_FILE)
        return init_settings, env_settings, file


def read_settings(**overrides: Any) -> Settings:
    """The settings of this process; `InvalidInput` names each wrong field."""
    given = {name: value for name, value in overrides.items() if value is not None}
    check_variables(os.environ)
    try:
        return Settings(**given)
    except ValidationError as error:
        raise InvalidInput(problems(error, Settings)) from error
    except SettingsError as error:  # of a variable that should hold JSON, as HEADGATE_TIERS
        name = re.sub(r'.*field "(\w+)".*', r"\1", str(error)).upper()
        allowed = f"JSON ({error.__cause__})"  # what it holds may be tokens
        raise InvalidInput([Problem(f"{PREFIX}{name}", "something else", allowed)]) from error
    except (OSError, ValueError) as error:  # a ValueError: it is no TOML, or not in UTF-8
        raise InvalidInput.of(CONFIG_FILE, "a file", f"one of TOML ({error})") from error


def check_variables(names: Iterable[str]) -> None:
    """Refuse a variable that was meant to be a setting's: the broker would take the default, as
    SQLite in place of somebody's PostgreSQL, and say nothing."""
    known = [field.upper() for field in Settings.model_fields]
    for name in sorted(names):
        own = name.upper().removeprefix(PREFIX)
        if own == name.upper() or own in known or OTHERS.fullmatch(own):
            continue
        if own.startswith("AWS_"):
            raise InvalidInput([Problem(name, "no setting", AWS_VARIABLE)])
        if near := get_close_matches(own, known, n=1, cutoff=ALIKE):
            raise InvalidInput([Problem(name, "no setting", f"{PREFIX}{near[0]}, perhaps")])


def tier_named(name: str, tiers: Sequence[Tier]) -> Tier:
    """The tier of that name; `InvalidInput` names the known ones."""
    for tier in tiers:
        if tier.name == name:
            return tier
    raise InvalidInput.of("tier", name, f"one of {', '.join(tier.name for tier in tiers)}")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
