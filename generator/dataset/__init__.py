"""What the site is made of, as values: the results that were measured and the sources that were measured."""

from generator.dataset.rates import Difference, Rate, Rates, RatesError, Recorded, load_rates
from generator.dataset.results import Campaign, Dataset, FrameworkResult, Parameters, Run, load_results, load_single
from generator.dataset.sources import Module, Source, load_sources

__all__ = [
    "Campaign",
    "Dataset",
    "Difference",
    "FrameworkResult",
    "Module",
    "Parameters",
    "Rate",
    "Rates",
    "RatesError",
    "Recorded",
    "Run",
    "Source",
    "load_rates",
    "load_results",
    "load_single",
    "load_sources",
]
