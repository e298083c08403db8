"""What the broker keeps, for commands that read and write it beside the broker, or without one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.errors import InvalidInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from queue_broker.ports import Lake
    from queue_broker.settings import Settings


def database_of(data_dir: Path | None) -> Settings:
    """The settings, whose database is there: an empty one made in a folder that was meant to be
    another would tell that nothing was ever set. `InvalidInput`."""
    from queue_broker.settings import read_settings

    settings = read_settings(data_dir=data_dir)
    if settings.database_url is None and not settings.database_file.exists():
        allowed = "the folder of a broker that was started once: `headgate up` makes it"
        raise InvalidInput.of("--data-dir", str(settings.data_dir), allowed)
    return settings


def lake_of(settings: Settings) -> Lake:
    """In the bucket, where the broker runs on AWS and has one; else in its folder."""
    if settings.engine == "aws":
        from queue_broker.on_aws import lake  # boto3 is an extra

        if (found := lake(settings.aws, settings.aws_region)) is not None:
            return found
    from queue_broker.adapters.lake import FolderLake

    return FolderLake(settings.data_dir / "lake")


def spans(ends: npt.NDArray[Any], most: int) -> list[tuple[float, float]]:
    """Times between which about so many ended: from the one on, and before the other."""
    import numpy as np

    ordered = np.sort(ends)
    behind = np.nextafter(ordered[-1:], np.inf)
    return list(pairwise(np.unique(np.concatenate([ordered[::most], behind])).tolist()))
