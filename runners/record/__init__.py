"""The result document: its types, and how it is read, written and checked.

This package is the contract between measuring and publishing: the only part of ``runners``
that ``generator`` imports.
"""

from runners.record.errors import InvalidError, NothingToDoError, RegressionError, RtsiteError, UsageError
from runners.record.histogram import Histogram, HistogramError
from runners.record.schema import (
    SCHEMA_VERSION,
    BrokerFacts,
    Cell,
    Connections,
    Distribution,
    Failure,
    FrameworkDocument,
    FrameworkFacts,
    GeneratorHealth,
    Machine,
    Measurement,
    Messages,
    Origin,
    Percentiles,
    Pinning,
    RunDocument,
    Timeline,
    Usage,
    VariantFacts,
    WorkloadFacts,
    cell_key,
)
from runners.record.store import (
    Problem,
    RecordError,
    load_framework,
    load_run,
    problems_in,
    save,
)

__all__ = [
    "SCHEMA_VERSION",
    "BrokerFacts",
    "Cell",
    "Connections",
    "Distribution",
    "Failure",
    "FrameworkDocument",
    "FrameworkFacts",
    "GeneratorHealth",
    "Histogram",
    "HistogramError",
    "InvalidError",
    "Machine",
    "Measurement",
    "Messages",
    "NothingToDoError",
    "Origin",
    "Percentiles",
    "Pinning",
    "Problem",
    "RecordError",
    "RegressionError",
    "RtsiteError",
    "RunDocument",
    "Timeline",
    "Usage",
    "UsageError",
    "VariantFacts",
    "WorkloadFacts",
    "cell_key",
    "load_framework",
    "load_run",
    "problems_in",
    "save",
]
