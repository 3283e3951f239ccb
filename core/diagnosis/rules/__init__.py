"""Rules of diagnosis, one a file; a new rule is one new file and no edit elsewhere."""

from core.diagnosis.rule import Rule
from core.registry import kinds

RULES = {code: kind.model_validate({}) for code, kind in kinds(__name__, Rule, "code").items()}
