"""What the site is made of, as values: the results that were measured and the sources that were measured."""

from generator.dataset.results import Dataset, FrameworkResult, Parameters, Run, load_results
from generator.dataset.sources import Source, load_sources

__all__ = ["Dataset", "FrameworkResult", "Parameters", "Run", "Source", "load_results", "load_sources"]
