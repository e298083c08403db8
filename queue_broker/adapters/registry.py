"""Published models in a local folder: one folder of plain files a version, and which is current.

    <root>/<version>/...        what `predictor.artifact` makes of a model, with its checksums
    <root>/current              the name of the current version, switched in one step
    <root>/trainings.jsonl      what the latest trainings came to, a line each, newest last

A version's folder appears whole or not at all, and is never changed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from headgate.errors import BadArtifact, Conflict, InvalidInput, NotFound
from headgate.validation import parse
from headgate.views import Training
from predictor.artifact import CHECKSUM, from_files, to_files
from predictor.model import Model
from queue_broker.adapters.files import sync_folder, write_whole

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
CURRENT = "current"
TRAININGS = "trainings.jsonl"
#: A year of nights.
MOST_TRAININGS = 366


class FolderRegistry:
    """The models of one machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def publish(self, model: Model) -> str:
        """Publishing the same model again makes it current again.

        `Conflict`: another model has that version. `InvalidInput`: no name for a folder.
        """
        version = model.version
        if not VERSION.fullmatch(version) or version == CURRENT:
            raise InvalidInput.of("version", version, VERSION.pattern)
        files = to_files(model)
        if not (self.root / version).is_dir():
            self._keep(version, files)
        elif self._files(version).get(CHECKSUM) != files[CHECKSUM]:
            raise Conflict(f"version {version} is published already, and is another model")
        write_whole(self.root / CURRENT, f"{version}\n".encode(), durable=True)
        return version

    def use(self, version: str) -> None:
        """Make one that was published before current again. `NotFound`, `BadArtifact`."""
        self.load(version)
        write_whole(self.root / CURRENT, f"{version}\n".encode(), durable=True)

    def current_version(self) -> str | None:
        try:
            return (self.root / CURRENT).read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    def load(self, version: str | None = None) -> Model | None:
        """None when nothing is current. `NotFound` when no such version was published."""
        wanted = version or self.current_version()
        if wanted is None:
            return None
        if wanted not in self.versions():
            if version is None:
                raise BadArtifact(f"model {wanted} is current, but its folder is gone")
            raise NotFound(f"there is no model {version!r}")
        return from_files(self._files(wanted))

    def versions(self) -> list[str]:
        """By the time they were published."""
        folders = [path for path in self.root.glob("*") if VERSION.fullmatch(path.name)]
        folders = [path for path in folders if path.is_dir()]
        return [path.name for path in sorted(folders, key=lambda p: (p.stat().st_mtime_ns, p.name))]

    def note(self, training: Training) -> None:
        """Two trainings that end in the same moment may lose one of the two lines."""
        try:
            known = self.trainings()
        except BadArtifact:  # it is only a record: no training fails for it, and it begins anew
            known = []
        kept = [training, *known[: MOST_TRAININGS - 1]]
        text = "".join(f"{one.model_dump_json()}\n" for one in reversed(kept))
        self.root.mkdir(parents=True, exist_ok=True)
        write_whole(self.root / TRAININGS, text.encode(), durable=True)

    def trainings(self) -> list[Training]:
        """Newest first. `BadArtifact` when somebody has hurt the file."""
        try:
            lines = (self.root / TRAININGS).read_text(encoding="utf-8").splitlines()
            return [parse(Training, line) for line in reversed(lines)]
        except FileNotFoundError:
            return []
        except (InvalidInput, OSError, UnicodeDecodeError) as error:
            raise BadArtifact(f"{TRAININGS} cannot be read: {error}") from error

    def _keep(self, version: str, files: dict[str, bytes]) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=self.root, prefix=f".{version}."))
        try:
            for name, content in sorted(files.items()):
                write_whole(unfinished / name, content, durable=True)
            unfinished.chmod(0o755)  # mkdtemp's is for the owner alone
            unfinished.rename(self.root / version)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        sync_folder(self.root)

    def _files(self, version: str) -> dict[str, bytes]:
        try:
            return {path.name: path.read_bytes() for path in (self.root / version).iterdir()}
        except OSError as error:
            raise BadArtifact(f"model {version} cannot be read: {error}") from error
