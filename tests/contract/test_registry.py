"""What every model registry promises; here the folder on this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.errors import BadArtifact, Conflict, InvalidInput, NotFound
from headgate.views import Training
from predictor.artifact import CARD, CHECKSUM, SCHEMA_VERSION, checksums
from predictor.model import Model
from queue_broker.adapters import registry as folder
from queue_broker.adapters.registry import FolderRegistry
from tests.unit.predictor.examples import sweep_history
from training.dataset import build
from training.fit import FitOptions, fit


@pytest.fixture(scope="module")
def model() -> Model:
    """A small one, really trained."""
    return fit(build(sweep_history(60)), FitOptions(rounds=5), {"rows": 60})


@pytest.fixture
def registry(tmp_path: Path) -> FolderRegistry:
    return FolderRegistry(tmp_path / "models")


def test_before_anything_is_published_there_is_no_model(registry: FolderRegistry) -> None:
    assert registry.current_version() is None
    assert registry.load() is None
    assert registry.versions() == []


def test_a_published_model_is_current_and_is_read_back(
    registry: FolderRegistry, model: Model
) -> None:
    version = registry.publish(model)

    assert version == model.version == registry.current_version()
    read = registry.load()
    assert read is not None
    assert read.calibration == model.calibration
    assert read.targets == model.targets
    assert read.card["rows"] == 60


def test_older_versions_stay_and_are_listed_in_order(
    registry: FolderRegistry, model: Model
) -> None:
    for version in ("b", "a", "c"):
        registry.publish(replace(model, version=version))

    assert registry.versions() == ["b", "a", "c"]
    assert registry.current_version() == "c"
    old = registry.load("a")
    assert old is not None
    assert old.version == "a"


def test_publishing_an_old_model_again_makes_it_current_again(
    registry: FolderRegistry, model: Model
) -> None:
    registry.publish(replace(model, version="a"))
    registry.publish(replace(model, version="b"))

    registry.publish(replace(model, version="a"))

    assert registry.current_version() == "a"
    assert sorted(registry.versions()) == ["a", "b"]


def test_an_older_model_is_gone_back_to_by_its_version(
    registry: FolderRegistry, model: Model
) -> None:
    registry.publish(replace(model, version="a"))
    registry.publish(replace(model, version="b"))

    registry.use("a")

    assert registry.current_version() == "a"
    with pytest.raises(NotFound, match="'c'"):
        registry.use("c")
    assert registry.current_version() == "a"


def test_another_model_under_a_published_version_is_a_conflict(
    registry: FolderRegistry, model: Model
) -> None:
    registry.publish(model)

    with pytest.raises(Conflict, match=model.version):
        registry.publish(replace(model, card={"rows": 61}))


@pytest.mark.parametrize("version", ["", "..", "a/b", "current", ".hidden"])
def test_a_version_that_is_no_folder_name_is_refused(
    registry: FolderRegistry, model: Model, version: str
) -> None:
    with pytest.raises(InvalidInput, match="version: got"):
        registry.publish(replace(model, version=version))


def test_a_version_nobody_published_is_not_found(registry: FolderRegistry) -> None:
    with pytest.raises(NotFound, match="nightly"):
        registry.load("nightly")


def test_a_corrupt_model_is_refused(registry: FolderRegistry, model: Model) -> None:
    version = registry.publish(model)
    path = registry.root / version / "calibration.json"
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))

    with pytest.raises(BadArtifact, match="checksums"):
        registry.load()


def test_a_model_of_a_newer_program_is_refused_and_older_ones_still_load(
    registry: FolderRegistry, model: Model
) -> None:
    registry.publish(replace(model, version="old"))
    version = registry.publish(replace(model, version="new"))
    make_newer(registry.root / version)

    with pytest.raises(BadArtifact, match="schema"):
        registry.load()
    assert registry.load("old") is not None


def make_newer(folder: Path) -> None:
    """What a program of the next schema would have written."""
    card = json.loads((folder / CARD).read_bytes()) | {"schema_version": SCHEMA_VERSION + 1}
    (folder / CARD).write_text(json.dumps(card))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / CHECKSUM).write_bytes(checksums(files))


def test_a_current_model_whose_folder_is_gone_is_said_to_be_bad(registry: FolderRegistry) -> None:
    registry.root.mkdir()
    (registry.root / "current").write_text("lost\n")

    with pytest.raises(BadArtifact, match="lost"):
        registry.load()


def test_a_publication_cut_short_by_a_crash_is_not_seen(
    registry: FolderRegistry, model: Model
) -> None:
    registry.publish(model)
    (registry.root / ".next.k2j1").mkdir()

    assert registry.versions() == [model.version]
    assert registry.current_version() == model.version


def test_what_trainings_came_to_is_remembered_newest_first(registry: FolderRegistry) -> None:
    assert registry.trainings() == []
    kept = Training(at_s=1, promoted=False, reason="too few\nto learn from")
    promoted = Training(at_s=2, promoted=True, reason="costs less", version="a")
    for one in (kept, promoted):
        registry.note(one)
    assert registry.trainings() == [promoted, kept]
    assert (registry.versions(), registry.current_version()) == ([], None)


def test_the_record_of_trainings_does_not_grow_for_ever(
    registry: FolderRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MOST_TRAININGS", 3)
    for at_s in range(5):
        registry.note(Training(at_s=at_s, promoted=False, reason="why"))
    assert [one.at_s for one in registry.trainings()] == [4, 3, 2]


def test_a_hurt_record_of_trainings_is_said_and_begun_anew(registry: FolderRegistry) -> None:
    registry.note(Training(at_s=1, promoted=False, reason="why"))
    (registry.root / folder.TRAININGS).write_text("{")
    with pytest.raises(BadArtifact, match=r"trainings\.jsonl cannot be read"):
        registry.trainings()
    registry.note(Training(at_s=2, promoted=False, reason="why"))
    assert [one.at_s for one in registry.trainings()] == [2]
