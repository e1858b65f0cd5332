"""Names for things: stable ids from content, short references for people, slugs.

An id made here depends on nothing but its arguments, so the same thing has the same id in every rerun.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
import uuid
from collections.abc import Iterable

NAMESPACE = uuid.UUID("6f0b7f5e-2f0c-5a58-9c6e-3d1f6f6f2b10")
SLUG = re.compile(r"^[a-z0-9][a-z0-9_-]{0,62}\Z")
_SEPARATOR = "\x1f"


def stable_id(*parts: object, size: int = 16) -> str:
    """Hexadecimal id of `2 * size` characters from the parts, in their order (BLAKE2b)."""
    joined = _SEPARATOR.join("" if part is None else str(part) for part in parts)
    return hashlib.blake2b(joined.encode(), digest_size=size).hexdigest()


def stable_ids(texts: Iterable[str], size: int = 16) -> list[str]:
    """`stable_id` of each text alone: the one place where a column of texts is hashed (about 1 µs each)."""
    blake = hashlib.blake2b
    return [blake(text.encode(), digest_size=size).hexdigest() for text in texts]


def stable_uuid(*parts: object) -> str:
    """Name-based UUID (RFC 9562, version 5) from the parts."""
    return str(uuid.uuid5(NAMESPACE, _SEPARATOR.join(str(part) for part in parts)))


def new_id() -> str:
    """A random UUID, for what happens once and is not derived from anything."""
    return str(uuid.uuid4())


def sha256(data: bytes) -> str:
    """SHA-256 in 64 hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()


def short_ref(*parts: object) -> str:
    """A reference people can read out and type: eight characters of base 32 in two groups, `K7F2-9QXM`."""
    raw = hashlib.blake2b(_SEPARATOR.join(str(p) for p in parts).encode(), digest_size=5).digest()
    text = base64.b32encode(raw).decode()
    return f"{text[:4]}-{text[4:]}"


def slug(text: str) -> str:
    """`"Société Générale SA"` becomes `"societe-generale-sa"`: what an id in a tenant file looks like.

    A name without one Latin letter or digit gets a stable id instead of an empty one.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-")
    return made or f"c-{stable_id(text, size=4)}"
