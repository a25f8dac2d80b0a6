"""Pictures that may be kept: entity tags and conditional requests (RFC 9110, section 13; RFC 9111; RFC 8246).

A picture is a function of its address, so its tag is known before anything is drawn, and a client that has the
picture is told so without work.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from app.media.provenance import SOFTWARE

FOREVER = "public, max-age=31536000, immutable"
"""The address names a model version and a seed: what it gives never changes. A year is the usual "for ever"."""

REVALIDATE = "public, no-cache"
"""The address names a seed, but the model's newest version: keep it, and ask each time whether it still holds."""

NEVER = "no-store"
"""The picture was drawn for this request alone."""

OPAQUE = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def entity_tag(parts: Iterable[str]) -> str:
    """A strong entity tag: equal parts in equal order give equal tags, and anything else gives another, as does another
    version of the software, whose name is in the files.
    """
    # Lengths keep ("ab", "c") and ("a", "bc") apart.
    text = "".join(f"{len(part)}:{part}" for part in (*parts, SOFTWARE))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def still_fresh(if_none_match: str | None, tag: str) -> bool:
    """Whether an `If-None-Match` header names `tag`: a list, or `*`, compared weakly (RFC 9110, section 13.1.2)."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in OPAQUE.findall(if_none_match)


def undrawn(request: Request, fields: Mapping[str, str], media_type: str) -> Response | None:
    """The answer with these headers where nothing must be drawn for it: to HEAD, or since the client's copy holds."""
    tag = fields.get("ETag")
    if tag and still_fresh(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=fields)
    if request.method != "HEAD":
        return None
    response = Response(headers=fields, media_type=media_type)
    del response.headers["Content-Length"]  # that of GET, which nobody knows before the picture is drawn
    return response
