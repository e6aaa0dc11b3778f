"""A drawing with its captions and its table."""

from __future__ import annotations

from dataclasses import dataclass

from generator.charts import ChartTable
from generator.charts.wording import LONGEST_TITLE
from generator.comparison import CapacityTable, Table
from generator.drawing import Picture


@dataclass(frozen=True)
class DrawnChart:
    """``title``: what the chart shows, as a finding. ``subtitle``: metric, unit and scenario. ``notes``: rounds, and
    what is left out. ``frameworks``: of each row of the table, by which readers filter.
    """

    slug: str
    title: str
    subtitle: str
    wide: Picture
    narrow: Picture
    table: ChartTable
    frameworks: tuple[str, ...]
    notes: tuple[str, ...] = ()
    made_of: str = ""
    """When and on what it was measured."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a title that is too long."""
        if len(self.title) > LONGEST_TITLE:
            raise ValueError(f"the title has {len(self.title)} characters, at most {LONGEST_TITLE}: {self.title}")


def made_of(table: Table | CapacityTable) -> str:
    """When and on what a table was measured, for the picture that readers save."""
    document = table.run.document
    return f"{document.started[:10]}, {document.machine.cpu_model}, profile {document.profile}"
