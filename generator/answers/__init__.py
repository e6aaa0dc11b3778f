"""Answers in sentences, computed from conclusions: who, by how much, does it matter, how sure.

A sentence never has more certainty than the outcome behind it, and none recommends a framework with a hard flag.
"""

from generator.answers.pairs import PairAnswer, answer_pair
from generator.answers.public_questions import AnsweredQuestion, answer_questions
from generator.answers.starting_points import StartAnswer, start_answers
from generator.answers.sureness import Sureness
from generator.answers.use_cases import CaseAnswer, case_answer

__all__ = [
    "AnsweredQuestion",
    "CaseAnswer",
    "PairAnswer",
    "StartAnswer",
    "Sureness",
    "answer_pair",
    "answer_questions",
    "case_answer",
    "start_answers",
]
