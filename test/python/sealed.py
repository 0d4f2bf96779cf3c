"""Canonical JSON (RFC 8785) and the chain over a room's events, from docs/PROTOCOL.md alone."""

import hashlib
import json
import math
from decimal import Decimal


def canonical(value):
    """The one text of a JSON value. Raises ValueError for what has none: half a surrogate pair, a number past the doubles."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return _number(float(value))
    if isinstance(value, str):
        value.encode("utf-8")  # UnicodeEncodeError, a ValueError, for half a surrogate pair
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"


def parse(text):
    """JSON text with every number read as a double."""
    return json.loads(text, parse_int=float)


def digest_of(event):
    """SHA-256 of the event without its place in the chain; a redacted stub says it itself."""
    if event["type"] == "redacted":
        return event["digest"]
    kept = {name: value for name, value in event.items() if name not in ("chain", "digest")}
    return hashlib.sha256(canonical(kept).encode("utf-8")).hexdigest()


def chain_start(contract_id):
    return hashlib.sha256(f"contract:{contract_id}".encode("utf-8")).hexdigest()


def chain_after(chain, digest):
    return hashlib.sha256(bytes.fromhex(chain) + bytes.fromhex(digest)).hexdigest()


def _number(value):
    """A double as ECMAScript writes it (RFC 8785, section 3.2.2.3)."""
    if not math.isfinite(value):
        raise ValueError("no such number in JSON")
    if value == 0:
        return "0"
    # repr gives the shortest digits that read back as the same double; only where it puts the point differs.
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    count, point = len(text), len(text) + exponent
    if count <= point <= 21:
        body = text + "0" * (point - count)
    elif 0 < point <= 21:
        body = text[:point] + "." + text[point:]
    elif -6 < point <= 0:
        body = "0." + "0" * -point + text
    else:
        body = text[0] + ("." + text[1:] if count > 1 else "") + f"e{point - 1:+d}"
    return "-" + body if sign else body
