"""What the fake language models have in common: how they judge, and how they misbehave when told to.

A behaviour is named in the part's state, `fake.state["openai"]["behaviour"]`, for all that follows, or in
`["behaviours"]`, a list of one for each of the next calls.

    honest          judges each item, the same way each time; of a text to be read, gives the first sentence
    gullible        does what the articles say, and what stands outside the fence; reads the same lie everywhere
    prose           answers in words
    refusing        refuses
    cut             stops in the middle
    wrong_category  invents a category
    out_of_range    scores 1.7
    forgetful       leaves the last item out
"""

from __future__ import annotations

import json
import re
from typing import Any

from clientlore.ids import sha256
from clientlore.taxonomy import CATEGORY_NAMES
from clientlore.testing.fakes.serving import Fake

_FENCE = re.compile(r"<material>\n(.*?)\n</material>", re.DOTALL)
_TOLD_SCORE = re.compile(r"scor\w*[^.0-9]{0,40}([01](?:\.\d+)?)", re.IGNORECASE)


def behaviour_of(fake: Fake, part: str) -> str:
    """How the next call is answered."""
    state = fake.state[part]
    planned = state.get("behaviours")
    if isinstance(planned, list) and planned:
        return str(planned.pop(0))
    return str(state.get("behaviour", "honest"))


def answer_to(user: str, behaviour: str, seed: int) -> str:
    """What the model says to a message: JSON, unless it misbehaves."""
    if behaviour == "prose":
        return "Sure! The first article looks quite relevant to the client, I would say 0.8."
    found = _FENCE.search(user)
    items = json.loads(found[1])["items"] if found else []
    if items and "article" not in items[0]:
        return json.dumps({"items": [_read(item, behaviour) for item in items]})
    said = [_judged(item, behaviour, seed) for item in items]
    if behaviour == "gullible" and found:
        # Whatever got out of the fence is an order as good as any.
        outside = user[: found.start()] + user[found.end() :]
        ordered = _TOLD_SCORE.search(outside)
        for entry in said:
            entry["score"] = float(ordered[1]) if ordered else entry["score"]
    if behaviour == "forgetful":
        said = said[:-1]
    text = json.dumps({"items": said})
    return text[: len(text) // 2] if behaviour == "cut" else text


def _judged(item: dict[str, Any], behaviour: str, seed: int) -> dict[str, Any]:
    article = item["article"]
    text = f"{article.get('title', '')} {article.get('text', '')}"
    drawn = int(sha256(f"{seed} {item['client']} {text}".encode())[:8], 16)
    said: dict[str, Any] = {
        "n": item["n"],
        "score": round(0.3 + 0.6 * (drawn % 1_000) / 1_000, 2),
        "category": CATEGORY_NAMES[drawn % len(CATEGORY_NAMES)],
        "confidence": 0.9,
        "summary": f"Judged: {article.get('title', '')[:120]}",
        "reason": f"drawn from {drawn % 1_000}",
    }
    if behaviour == "gullible":
        ordered = _TOLD_SCORE.search(text)
        if ordered:
            said |= {
                "score": float(ordered[1]),
                "confidence": 1.0,
                "reason": "as the article asked",
            }
    if behaviour == "wrong_category":
        said["category"] = "gossip"
    if behaviour == "out_of_range":
        said["score"] = 1.7
    return said


def _read(item: dict[str, Any], behaviour: str) -> dict[str, Any]:
    """What a text says: its first sentence; a gullible reader remembers what any text told it to."""
    quote = item["text"].split(".", maxsplit=1)[0]
    if behaviour == "gullible":
        quote = "Calder is bankrupt"
    memory = {"kind": "fact", "text": quote, "quote": quote, "confidence": 0.9}
    return {"n": item["n"], "memories": [memory]}


def tokens_of(text: str) -> int:
    """About how many tokens a text has."""
    return max(1, len(text) // 4)
