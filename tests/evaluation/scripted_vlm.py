"""A vision-language model that answers by a rule in Python instead of a network."""

from collections.abc import Callable, Sequence

import numpy as np
from styleroute.evaluation.metric_models.vision_language import AnswerProbabilities

Rule = Callable[[Sequence[np.ndarray], str], float]
"""Images and question -> probability of "yes"."""


class ScriptedVlm:
    """Answers with the rule's probability, and keeps the questions.

    Args:
        rule: the rule.
        mass: probability that the answer begins with "yes" or "no".
    """

    def __init__(self, rule: Rule, mass: float = 0.9) -> None:
        self._rule, self._mass = rule, mass
        self.questions: list[str] = []

    def yes_probability(self, images: Sequence[Sequence[np.ndarray]], questions: Sequence[str]) -> AnswerProbabilities:
        self.questions += questions
        yes = np.array([self._rule(shown, question) for shown, question in zip(images, questions, strict=True)])
        return AnswerProbabilities(np.stack([yes, 1 - yes], axis=1), np.full(len(yes), self._mass))
