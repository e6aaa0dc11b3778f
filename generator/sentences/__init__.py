"""Answers in sentences, computed from conclusions: who, by how much, does it matter, how sure.

A sentence never has more certainty than the outcome behind it, and none recommends a framework with a hard flag.
"""

from generator.sentences.changes import change_sentence, largest_changes, trend_finding
from generator.sentences.metric_answers import MetricAnswer, answer_metric, answer_search
from generator.sentences.pairs import PairAnswer, answer_pair
from generator.sentences.question_answers import AnsweredQuestion, answer_questions
from generator.sentences.starting_points import StartAnswer, start_answers
from generator.sentences.sureness import Sureness
from generator.sentences.use_cases import CaseAnswer, case_answer
from generator.sentences.variant_titles import variants_finding

__all__ = [
    "AnsweredQuestion",
    "CaseAnswer",
    "MetricAnswer",
    "PairAnswer",
    "StartAnswer",
    "Sureness",
    "answer_metric",
    "answer_pair",
    "answer_questions",
    "answer_search",
    "case_answer",
    "change_sentence",
    "largest_changes",
    "start_answers",
    "trend_finding",
    "variants_finding",
]
