"""Brings a database to this program's schema; several brokers may start at once."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from headgate.errors import HeadgateError, InvalidInput
from queue_broker.adapters.store.database import Database
from queue_broker.adapters.store.dialects import one_writer

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(database: Database, revision: str = "head") -> None:
    """Apply the missing migrations, all or none. A newer database is refused."""
    if database.folder is not None:
        make_folder(database.folder)
    database.write(run, revision)


def make_folder(folder: Path) -> None:
    """The broker's folder; `InvalidInput` where there can be none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        allowed = f"a folder to write in ({error.strerror})"
        raise InvalidInput.of("data_dir", str(folder), allowed) from error
    if not os.access(folder, os.W_OK):  # SQLite would say that it cannot open its file
        allowed = f"a folder to write in (user {os.getuid()} may not)"
        raise InvalidInput.of("data_dir", str(folder), allowed)


def run(connection: Connection, revision: str) -> None:
    one_writer(connection, "migrations")
    newest, *older = known_revisions()
    now = MigrationContext.configure(connection).get_current_revision()
    if now == newest:
        return
    if now is not None and now not in older:
        raise HeadgateError(
            f"the database is at schema {now!r}, made by a newer Headgate; this one knows up to "
            f"{newest!r}"
        )
    config = alembics()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@cache
def known_revisions() -> tuple[str, ...]:
    """This program's, newest first; read once, since each is a file of Python to run."""
    scripts = ScriptDirectory.from_config(alembics())
    return tuple(script.revision for script in scripts.walk_revisions())


def alembics() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
