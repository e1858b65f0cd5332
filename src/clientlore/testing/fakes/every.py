"""Every fake there is, by name, and what a process must be told to ask them in place of the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from clientlore.testing.fakes import anthropic, openai
from clientlore.testing.fakes.news import CONTACT, ENGINE, KEY
from clientlore.testing.fakes.serving import Part

SEARCH: Mapping[str, tuple[str, ...]] = {
    "serper": ("SERPER_API_BASE", "SERPER_API_KEY"),
    "brave": ("BRAVE_API_BASE", "BRAVE_API_KEY"),
    "tavily": ("TAVILY_API_BASE", "TAVILY_API_KEY"),
    "newsapi": ("NEWSAPI_BASE", "NEWSAPI_KEY"),
    "gdelt": ("GDELT_API_BASE",),
    "hacker_news": ("HACKER_NEWS_API_BASE",),
    "edgar": ("SEC_EDGAR_DATA_BASE", "SEC_EDGAR_WWW_BASE"),
    "google_news": ("GOOGLE_NEWS_BASE",),
    "google_search": ("GOOGLE_SEARCH_API_BASE", "GOOGLE_SEARCH_API_KEY"),
    "vertex_search": ("VERTEX_SEARCH_API_BASE", "VERTEX_SEARCH_API_KEY"),
}
VERTEX_CONFIG = (
    "projects/example/locations/global/collections/default_collection/engines/site"
    "/servingConfigs/default_search"
)
MODELS = ("openai", "anthropic")
EMBEDDING_MODEL = "text-embedding-3-small"


def parts() -> list[Part]:
    """The parts of the application, one of each provider."""
    names = (*SEARCH, *MODELS)
    return [import_module(f"clientlore.testing.fakes.{name}").routes for name in names]


def environment(address: str) -> dict[str, str]:
    """Variables that send every provider of news, judge and embedder to the fakes, with the keys they take."""
    made = {
        "SEC_EDGAR_CONTACT": CONTACT,
        "GOOGLE_SEARCH_ENGINE_ID": ENGINE,
        "VERTEX_SEARCH_SERVING_CONFIG": VERTEX_CONFIG,
        "OPENAI_API_BASE": f"{address}{openai.PREFIX}/v1",
        "OPENAI_API_KEY": openai.KEY,
        "ANTHROPIC_API_BASE": f"{address}{anthropic.PREFIX}",
        "ANTHROPIC_API_KEY": anthropic.KEY,
        "EMBEDDING_MODEL": EMBEDDING_MODEL,
    }
    for name, variables in SEARCH.items():
        for variable in variables:
            made[variable] = KEY if variable.endswith("KEY") else f"{address}/{name}"
    return made
