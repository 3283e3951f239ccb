"""Which of the forms that a route can answer in its caller prefers.

if preferred(request, "application/json", "text/csv") == "text/csv": ...
"""

from starlette.requests import Request

from service.kit.http.problems import NotAcceptable


def preferred(request: Request, *offered: str) -> str:
    """The offered media type that the Accept header ranks highest; of equals, and without a header, the first.

    Raises NotAcceptable when it wants none of them.
    """
    header = ",".join(request.headers.getlist("accept"))
    if not header.strip():
        return offered[0]
    ranges = [_range(part) for part in header.split(",") if part.strip()]
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    if _quality(best, ranges) <= 0:
        raise NotAcceptable(f"This route answers {' or '.join(offered)}.")
    return best


def _range(part: str) -> tuple[str, float]:
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            quality = _number(value.strip())
    return media_range, quality


def _number(text: str) -> float:
    """A quality as RFC 9110 writes it; anything else counts as 0."""
    is_plain = text.replace(".", "", 1).isdigit() and text.isascii() and len(text) <= 5
    return min(float(text), 1.0) if is_plain else 0.0


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """The quality that the most exact matching range gives."""
    group = media_type.partition("/")[0]
    for candidate in (media_type, f"{group}/*", "*/*"):
        matching = [quality for media_range, quality in ranges if media_range == candidate]
        if matching:
            return max(matching)
    return 0.0
