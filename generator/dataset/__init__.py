"""What the site is made of, as values: the results that were measured and the sources that were measured."""

from generator.dataset.results import Dataset, FrameworkResult, Parameters, Run, load_results, load_single
from generator.dataset.sources import Module, Source, load_sources

__all__ = [
    "Dataset",
    "FrameworkResult",
    "Module",
    "Parameters",
    "Run",
    "Source",
    "load_results",
    "load_single",
    "load_sources",
]
