"""The plan of a bulk run as a data source of Ray Data."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

if TYPE_CHECKING:
    from ray.data.context import DataContext

    from emotion_core.batch.results import ResultFolder


class PlanSource(Datasource):
    """Reads the parts of the plan in a folder as capacity allows, one block per chunk."""

    def __init__(self, folder: ResultFolder, parts: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's own
        self._folder, self._parts = folder, parts

    def estimate_inmemory_data_size(self) -> int | None:
        """Returns ``None``: unknown."""
        return None

    def get_read_tasks(
        self,
        parallelism: int,  # noqa: ARG002 - as many as there are parts
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,  # noqa: ARG002
    ) -> list[ReadTask]:
        """One task per part."""
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        reads = (partial(self._folder.read_plan, part) for part in range(self._parts))
        return [ReadTask(read, unknown, per_task_row_limit=per_task_row_limit) for read in reads]
