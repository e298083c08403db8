from __future__ import annotations

import os
from pathlib import Path

import pytest

from queue_broker.adapters.files import write_whole


def test_a_full_disk_is_told_with_the_file_that_found_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as told:
        write_whole(tmp_path / "part", b"content", durable=True)
    assert "part" in str(told.value)
    assert not list(tmp_path.iterdir())
