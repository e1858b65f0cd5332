"""Every fake there is, by name, and what a process must be told to ask them in place of the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

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
}
CRM: Mapping[str, tuple[str, ...]] = {
    "hubspot": ("HUBSPOT_API_BASE", "HUBSPOT_ACCESS_TOKEN"),
}


def parts() -> list[Part]:
    """The parts of the application, one of each provider."""
    return [import_module(f"clientlore.testing.fakes.{name}").routes for name in (*SEARCH, *CRM)]


def environment(address: str) -> dict[str, str]:
    """Variables that send every provider to the fakes at an address, with the keys they take."""
    made = {"SEC_EDGAR_CONTACT": CONTACT, "GOOGLE_SEARCH_ENGINE_ID": ENGINE}
    for name, variables in {**SEARCH, **CRM}.items():
        for variable in variables:
            made[variable] = KEY if variable.endswith(("KEY", "TOKEN")) else f"{address}/{name}"
    return made
