"""Names of companies: what is their legal form and what is the rest."""

from __future__ import annotations

import re

LEGAL_FORMS = frozenset(
    [
        "inc", "incorporated", "corp", "corporation", "co", "company", "ltd", "limited", "llc", "llp",
        "lp", "plc", "ag", "sa", "se", "nv", "bv", "gmbh", "kg", "kgaa",
        "ab", "asa", "oyj", "spa", "srl", "sarl", "sas", "pty", "bhd", "pte",
        "kk",
    ]
)  # fmt: skip


def without_legal_form(name: str) -> str:
    """The name as people write it in a headline: `"Vela Logistics SE"` becomes `"Vela Logistics"`."""
    parts = name.split()
    while len(parts) > 1 and re.sub(r"[^\w]", "", parts[-1]).lower() in LEGAL_FORMS:
        parts.pop()
    return " ".join(parts).rstrip(" ,&")
