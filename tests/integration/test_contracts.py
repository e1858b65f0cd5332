"""The fakes are held to what the vendors publish: Google's descriptions of its interfaces, and the types of clients."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clientlore.testing.fakes import anthropic, every, openai
from clientlore.testing.fakes.news import ENGINE, KEY
from clientlore.testing.fakes.serving import Fake, serving

JSON = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
ITEMS = '<material>\n{"items": [{"n": 1, "client": {"name": "A"}, "article": {"title": "A opens"}}]}\n</material>'


@pytest.fixture
def address() -> Iterator[str]:
    with serving(Fake(), every.parts()) as found:
        yield found


def described(name: str) -> dict[str, Any]:
    """Google's description of an interface, which its client brings along."""
    spec = importlib.util.find_spec("googleapiclient")
    if spec is None or spec.origin is None:
        pytest.skip("Google's client is not installed")
    path = Path(spec.origin).parent / "discovery_cache" / "documents" / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def wrong(value: Any, schema: dict[str, Any], schemas: dict[str, Any], at: str = "") -> list[str]:
    """What in a value is not as a schema describes it: unknown fields and other types."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema.get("type", "any")
    if kind == "any":
        return []
    if not isinstance(value, JSON[kind]) or (kind == "integer" and isinstance(value, bool)):
        return [f"{at}: {type(value).__name__}, not {kind}"]
    found = []
    if kind == "array":
        for n, part in enumerate(value):
            found += wrong(part, schema["items"], schemas, f"{at}[{n}]")
    elif kind == "object":
        known, more = schema.get("properties", {}), schema.get("additionalProperties")
        for name, part in value.items():
            inner = known.get(name, more)
            here = f"{at}.{name}"
            found += [f"{here}: unknown"] if inner is None else wrong(part, inner, schemas, here)
    return found


def test_what_a_schema_does_not_describe_is_found() -> None:
    schemas = {
        "S": {
            "type": "object",
            "properties": {"a": {"type": "array", "items": {"type": "integer"}}},
        }
    }
    assert wrong({"a": [1, "2"], "b": 1}, {"$ref": "S"}, schemas) == [
        ".a[1]: str, not integer",
        ".b: unknown",
    ]


def test_vertex_search_answers_as_google_describes_it(address: str) -> None:
    told = described("discoveryengine.v1")
    asked = {
        "query": '"Acme"',
        "pageSize": 5,
        "contentSearchSpec": {"snippetSpec": {"returnSnippet": True}},
    }
    schemas = told["schemas"]
    assert wrong(asked, {"$ref": "GoogleCloudDiscoveryengineV1SearchRequest"}, schemas) == []
    answer = httpx.post(
        f"{address}/vertex_search/v1/{every.VERTEX_CONFIG}:searchLite",
        headers={"x-goog-api-key": KEY},
        json=asked,
    ).json()
    assert len(answer["results"]) == 5
    assert wrong(answer, {"$ref": "GoogleCloudDiscoveryengineV1SearchResponse"}, schemas) == []


def test_custom_search_answers_as_google_describes_it(address: str) -> None:
    told = described("customsearch.v1")
    query = {"q": '"Acme"', "cx": ENGINE, "num": 10, "dateRestrict": "d5", "sort": "date"}
    method = told["resources"]["cse"]["methods"]["list"]
    assert set(query) <= set(method["parameters"])
    answer = httpx.get(
        f"{address}/google_search/customsearch/v1", headers={"x-goog-api-key": KEY}, params=query
    ).json()
    assert len(answer["items"]) == 10
    assert wrong(answer, {"$ref": method["response"]["$ref"]}, told["schemas"]) == []


def test_chat_and_embeddings_are_what_openais_client_takes_for_an_answer(address: str) -> None:
    types = pytest.importorskip("openai.types")
    chat = pytest.importorskip("openai.types.chat")
    headers = {"authorization": f"Bearer {openai.KEY}"}
    with httpx.Client(base_url=f"{address}/openai/v1", headers=headers) as client:
        messages = [{"role": "user", "content": ITEMS}]
        said = client.post(
            "/chat/completions", json={"model": "gpt-6-luna", "messages": messages}
        ).json()
        vectors = client.post(
            "/embeddings", json={"model": "m", "input": ["a"], "dimensions": 8}
        ).json()
    assert chat.ChatCompletion.model_validate(said, strict=True).choices[0].message.content
    # What is not in the type would be kept as an extra, and nobody would notice.
    assert extras(chat.ChatCompletion.model_validate(said)) == []
    made = types.CreateEmbeddingResponse.model_validate(vectors, strict=True)
    assert len(made.data[0].embedding) == 8
    assert extras(made) == []


def test_messages_are_what_anthropics_client_takes_for_an_answer(address: str) -> None:
    types = pytest.importorskip("anthropic.types")
    headers = {"x-api-key": anthropic.KEY, "anthropic-version": "2023-06-01"}
    asked = {
        "model": "claude-haiku-5-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": ITEMS}],
    }
    said = httpx.post(f"{address}/anthropic/v1/messages", headers=headers, json=asked).json()
    made = types.Message.model_validate(said)
    assert made.stop_reason == "end_turn"
    assert extras(made) == []


def extras(model: Any, at: str = "") -> list[str]:
    """Fields of a parsed answer that its type does not have."""
    found = [f"{at}.{name}" for name in model.model_extra or {}]
    for name in type(model).model_fields:
        value = getattr(model, name)
        for n, part in enumerate(value if isinstance(value, list) else [value]):
            if hasattr(part, "model_extra"):
                found += extras(part, f"{at}.{name}[{n}]")
    return found
