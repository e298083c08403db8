"""The lake as an Apache Iceberg table, for whoever reads such: Athena, Spark, Trino, DuckDB.

The files stay the lake's own, and stay where they are: a snapshot of the table names those that
hold the history now. Between a compaction and the next `sync` the table names files that are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from headgate.errors import InvalidInput
from predictor.history import SCHEMA
from queue_broker.adapters.s3_lake import S3Lake

#: By this name pyiceberg's own settings say which catalogue it is and where: ~/.pyiceberg.yaml, or
#: PYICEBERG_CATALOG__HEADGATE__TYPE=glue in the environment.
CATALOG = "headgate"


@dataclass(frozen=True, slots=True)
class IcebergTable:
    """`catalog` is pyiceberg's; `name` is the namespace and the table, as in `headgate.history`."""

    catalog: Any
    name: str
    lake: S3Lake
    scheme: str = "s3://"

    def sync(self) -> int:
        """Name what the lake has now, in one commit; returns how many files came and went."""
        table = self._table()
        named = {task.file.file_path: task.file for task in table.scan().plan_files()}
        there = {f"{self.scheme}{path}": size for path, size in self.lake.live().items()}
        stale = [file for path, file in named.items() if not same(file, there.get(path))]
        fresh = [path for path, size in there.items() if not same(named.get(path), size)]
        if not stale and not fresh:
            return 0
        with table.transaction() as change:
            if stale:
                with change.update_snapshot().overwrite() as snapshot:
                    for file in stale:
                        snapshot.delete_data_file(file)
            if fresh:
                change.add_files(sorted(fresh), check_duplicate_files=False)
        return len(stale) + len(fresh)

    def _table(self) -> Any:
        """The table with the columns of today: a column that came since is null in older files."""
        self.catalog.create_namespace_if_not_exists(self.name.rpartition(".")[0])
        table = self.catalog.create_table_if_not_exists(self.name, schema=SCHEMA)
        with table.update_schema() as update:
            update.union_by_name(SCHEMA)
        return table


def same(file: Any, size: int | None) -> bool:
    """A part that was written again has its old name, and hardly ever its old size."""
    return file is not None and file.file_size_in_bytes == size


def open_table(name: str, lake: S3Lake) -> IcebergTable:
    """The table in the catalogue that pyiceberg is set up with; `InvalidInput` without it."""
    try:
        catalogues = import_module("pyiceberg.catalog")
    except ImportError as error:
        wanted = "nothing, or pip install 'headgate[iceberg]'"
        raise InvalidInput.of("aws.iceberg_table", name, wanted) from error
    return IcebergTable(catalogues.load_catalog(CATALOG), name, lake)
