"""Questions about a network and its gradients, one a file; a new question is one new file and no edit elsewhere."""

from core.inspection.question import Question
from core.registry import kinds

QUESTIONS = kinds(__name__, Question, "question")
