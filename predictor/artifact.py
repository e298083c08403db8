"""A model as plain files: LightGBM's text, a JSON card, and a checksum over all of it. No
pickle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from headgate.errors import BadArtifact
from predictor.boosting import lgb
from predictor.encoding import Encoder
from predictor.model import BOOSTERS, Calibration, Model

#: Raised when files written by this program can no longer be read by an older one.
SCHEMA_VERSION = 1
CARD = "card.json"
CHECKSUM = "SHA256SUMS"


def to_files(model: Model) -> dict[str, bytes]:
    """The files of an artefact by name; `from_files` is the inverse."""
    files = {
        _file_name(name): booster.model_to_string().encode()
        for name, booster in sorted(model.boosters.items())
    }
    files["columns.json"] = _dump(model.encoder.to_json())
    files["calibration.json"] = _dump(
        {target: _calibration(known) for target, known in model.calibration.items()}
    )
    files[CARD] = _dump(
        dict(model.card)
        | {
            "schema_version": SCHEMA_VERSION,
            "version": model.version,
            "libraries": {"lightgbm": lgb.__version__, "numpy": np.__version__},
        }
    )
    files[CHECKSUM] = checksums(files)
    return files


def from_files(files: Mapping[str, bytes]) -> Model:
    """The model that the files hold; `BadArtifact` when they are corrupt or newer than this
    program.
    """
    card = read_card(files)
    if files.get(CHECKSUM) != checksums(files):
        raise BadArtifact("the model's files do not match their checksums; it was not loaded")
    try:
        encoder = Encoder.from_json(json.loads(files["columns.json"]))
        calibration = json.loads(files["calibration.json"])
        boosters = {
            name: lgb.Booster(model_str=files[_file_name(name)].decode())
            for name in BOOSTERS
            if _file_name(name) in files
        }
        known = {target: _to_calibration(item) for target, item in calibration.items()}
    except (KeyError, TypeError, ValueError, lgb.basic.LightGBMError) as error:
        raise BadArtifact(f"the model's files cannot be read: {error}") from error
    return Model(str(card["version"]), encoder, boosters, known, card)


def read_card(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The card alone, cheap; refused when its schema is newer than this program's."""
    try:
        card: dict[str, Any] = json.loads(files[CARD])
        schema, version = int(card["schema_version"]), card["version"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadArtifact(f"the model has no readable {CARD}: {error}") from error
    if schema > SCHEMA_VERSION:
        raise BadArtifact(
            f"model {version} has schema {schema}; this program reads up to {SCHEMA_VERSION}"
        )
    return card


def checksums(files: Mapping[str, bytes]) -> bytes:
    """What sha256sum(1) would print for the files, the checksum file left out."""
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {name}"
        for name, content in sorted(files.items())
        if name != CHECKSUM
    ]
    return ("\n".join(lines) + "\n").encode()


def _file_name(booster: str) -> str:
    return f"{booster}.txt"


def _dump(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _calibration(known: Calibration) -> dict[str, Any]:
    return {
        "errors": list(known.errors),
        "new_errors": list(known.new_errors),
        "said": list(known.said.items()),
    }


def _to_calibration(item: Mapping[str, Any]) -> Calibration:
    return Calibration(
        tuple(float(value) for value in item["errors"]),
        tuple(float(value) for value in item["new_errors"]),
        {float(at_s): float(log) for at_s, log in item["said"]},
    )
