"""The history that a command reads and writes: the same that the broker keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queue_broker.ports import Lake
    from queue_broker.settings import Settings


def lake_of(settings: Settings) -> Lake:
    """In the bucket, where the broker runs on AWS and has one; else in its folder."""
    if settings.engine == "aws":
        from queue_broker.on_aws import lake  # boto3 is an extra

        if (found := lake(settings.aws, settings.aws_region)) is not None:
            return found
    from queue_broker.adapters.lake import FolderLake

    return FolderLake(settings.data_dir / "lake")
