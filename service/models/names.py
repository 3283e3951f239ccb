"""Names of models: one token each, so that `name`, `name@3` and an id can stand in the same place."""

import re
import unicodedata
from typing import NewType

from service.kit.ids import IdKind

ModelId = NewType("ModelId", str)
MODEL_IDS = IdKind("mdl", ModelId)

LONGEST_NAME = 64
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

_LOOKS_LIKE_AN_ID = re.compile(r"(mdl|job|ds)_")


def is_model_name(text: str) -> bool:
    """Whether the text can be the name of a model: letters, digits, `.`, `_` and `-`, and no beginning of an id."""
    return re.fullmatch(NAME_PATTERN, text, re.ASCII) is not None and not _LOOKS_LIKE_AN_ID.match(text)


def model_name(text: str) -> str:
    """The text if it can be a name, else the nearest name: "Größe der Pinguine" becomes "Groe-der-Pinguine"."""
    if is_model_name(text):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    token = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("._-")
    token = _LOOKS_LIKE_AN_ID.sub(r"\1-", token, count=1) if _LOOKS_LIKE_AN_ID.match(token) else token
    return token[:LONGEST_NAME].rstrip("._-") or "model"
