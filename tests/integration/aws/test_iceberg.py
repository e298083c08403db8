"""The lake as an Iceberg table, in pyiceberg's own SQL catalogue."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headgate.errors import InvalidInput
from headgate.usage import Observation
from queue_broker.adapters.iceberg import IcebergTable, open_table
from queue_broker.adapters.s3_lake import MOST_PARTS, S3Lake, s3_files
from tests.contract.test_lake import an_observation
from tests.integration.aws.moto_server import Moto

DAY_S = 86_400.0
DAYS = 20_000 * DAY_S  #: a midnight


def attempts(n: int, day: int = 0) -> list[Observation]:
    return [an_observation(DAYS + day * DAY_S + number) for number in range(n)]


@pytest.fixture
def lake(moto: Moto) -> S3Lake:
    files = s3_files("us-east-1", moto.url, access_key="key", secret_key="secret")
    return S3Lake(f"{moto.bucket()}/headgate/lake", files)


@pytest.fixture
def table(lake: S3Lake, moto: Moto, tmp_path: Path) -> IcebergTable:
    sql = pytest.importorskip("pyiceberg.catalog.sql", reason="headgate[iceberg] is not installed")
    where = {
        "uri": f"sqlite:///{tmp_path / 'catalog.db'}",
        "warehouse": f"s3://{lake.root}-iceberg",
        "s3.endpoint": moto.url,
        "s3.region": "us-east-1",
        "s3.access-key-id": "key",
        "s3.secret-access-key": "secret",
    }
    return IcebergTable(sql.SqlCatalog("headgate", **where), "ours.history", lake)


def rows(table: IcebergTable) -> list[float]:
    """When the attempts ended, as another reader of the table sees it."""
    read = table.catalog.load_table(table.name).scan().to_arrow()
    return sorted(read["finished_at_s"].to_pylist())


def ends(*given: list[Observation]) -> list[float]:
    return sorted(one.finished_at_s for some in given for one in some)


def test_the_table_has_what_the_lake_has(table: IcebergTable, lake: S3Lake) -> None:
    first, second = attempts(3), attempts(2, day=1)
    lake.write(first, "part-1")
    assert table.sync() == 1
    lake.write(second, "part-2")

    assert table.sync() == 1

    assert rows(table) == ends(first, second)
    assert table.sync() == 0


def test_a_part_that_was_written_again_counts_once(table: IcebergTable, lake: S3Lake) -> None:
    lake.write(attempts(3), "part-1")
    table.sync()
    lake.write(attempts(50), "part-1")

    assert table.sync() == 2

    assert rows(table) == ends(attempts(50))


def test_a_compacted_day_counts_once(table: IcebergTable, lake: S3Lake) -> None:
    given = attempts(MOST_PARTS + 2)
    for number, one in enumerate(given):
        lake.write([one], f"part-{number}")
    table.sync()
    assert lake.compact(DAYS + 10 * DAY_S) == 1

    table.sync()

    assert len(lake.live()) == 1
    assert rows(table) == ends(given)


def test_other_columns_than_those_of_today_are_null(table: IcebergTable, lake: S3Lake) -> None:
    lake.write(attempts(2), "part-1")
    schema = table._table().schema()
    with table.catalog.load_table(table.name).update_schema() as update:
        update.delete_column("model_version")

    table.sync()

    assert table.catalog.load_table(table.name).schema().column_names == schema.column_names
    assert rows(table) == ends(attempts(2))


def test_without_pyiceberg_the_setting_is_refused(
    lake: S3Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog", None)

    with pytest.raises(InvalidInput, match=r"aws.iceberg_table: .* 'headgate\[iceberg\]'"):
        open_table("ours.history", lake)
