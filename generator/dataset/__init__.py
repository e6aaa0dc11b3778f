"""Reads the input of the site as values: results, evidence, claims and the measured source code."""

from generator.dataset.article_claims import (
    Article,
    Claim,
    Claims,
    ClaimsError,
    ClaimVocabulary,
    Compared,
    DocumentationTest,
    EvidenceTest,
    Extreme,
    InterfaceTest,
    Measured,
    More,
    NoTest,
    Sustains,
    WinnerClaim,
    Within,
    load_claims,
)
from generator.dataset.collected_evidence import Evidence
from generator.dataset.file_cache import file_digest
from generator.dataset.headlines import headline_variants
from generator.dataset.installed_packages import normalised, version_installed
from generator.dataset.machine_class import Hardware, MachineClass
from generator.dataset.public_questions import (
    AmongVariants,
    OfEvidence,
    OnPage,
    PublicQuestion,
    PublicQuestions,
    QuestionsError,
    SearchedCapacity,
    Spread,
    TwoFrameworks,
    TwoTables,
    UnderSetting,
    load_questions,
)
from generator.dataset.rates import Difference, Rate, Rates, RatesError, Recorded, Simulated, load_rates
from generator.dataset.results import (
    Dataset,
    FrameworkName,
    FrameworkResult,
    Parameters,
    Run,
    RunFacts,
    facts_of,
    make_run,
    python_order,
)
from generator.dataset.sources import Module, Source, load_sources
from generator.dataset.studying import load_beside, load_collection, load_results, load_single
from generator.dataset.todays_workloads import Definition, load_workloads
