from __future__ import annotations

import json

import numpy as np
import pytest

from headgate.errors import BadArtifact
from predictor.artifact import CARD, CHECKSUM, SCHEMA_VERSION, checksums, from_files, to_files
from predictor.model import Model, high_of
from predictor.past import Past
from predictor.rows import rows_of_jobs
from tests.unit.predictor.examples import sweep_history
from training.dataset import build
from training.fit import FitOptions, fit


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(build(sweep_history(60)), FitOptions(rounds=20, folds=2))


def test_a_model_says_the_same_after_a_journey_through_files(model: Model) -> None:
    history = sweep_history(5, seed=3)
    rows = rows_of_jobs([one.job for one in history], Past(), [one.parameters for one in history])
    again = from_files(to_files(model))
    assert again.version == model.version
    assert again.boosters.keys() == model.boosters.keys()
    for name in ("memory_mib", high_of("memory_mib")):
        assert np.array_equal(again.logs(rows, name), model.logs(rows, name))
        assert again.said(name, 50.0) == model.said(name, 50.0)


def test_a_changed_byte_is_refused(model: Model) -> None:
    files = to_files(model)
    files["memory_mib.txt"] = files["memory_mib.txt"].replace(b"tree", b"trie", 1)
    with pytest.raises(BadArtifact, match="checksums"):
        from_files(files)


def test_a_newer_schema_is_refused_by_its_number(model: Model) -> None:
    files = to_files(model)
    card = json.loads(files[CARD]) | {"schema_version": SCHEMA_VERSION + 1}
    files[CARD] = json.dumps(card).encode()
    files[CHECKSUM] = checksums(files)
    with pytest.raises(BadArtifact, match=f"schema {SCHEMA_VERSION + 1}"):
        from_files(files)
