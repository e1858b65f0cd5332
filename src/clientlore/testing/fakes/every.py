"""Every fake there is, by name, and what a process must be told to ask them in place of the real ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from clientlore.testing.fakes import anthropic, openai, rerank
from clientlore.testing.fakes.authority import make_authority
from clientlore.testing.fakes.news import CONTACT, ENGINE, KEY
from clientlore.testing.fakes.serving import Fake, Part, serving

SEARCH: Mapping[str, tuple[str, ...]] = {
    "serper": ("SERPER_API_BASE", "SERPER_API_KEY"),
    "brave": ("BRAVE_API_BASE", "BRAVE_API_KEY"),
    "tavily": ("TAVILY_API_BASE", "TAVILY_API_KEY"),
    "newsapi": ("NEWSAPI_BASE", "NEWSAPI_KEY"),
    "gdelt": ("GDELT_API_BASE",),
    "hacker_news": ("HACKER_NEWS_API_BASE",),
    "edgar": ("SEC_EDGAR_DATA_BASE", "SEC_EDGAR_WWW_BASE"),
    "edgar_full_text": ("SEC_EDGAR_SEARCH_BASE",),
    "google_news": ("GOOGLE_NEWS_BASE",),
    "google_search": ("GOOGLE_SEARCH_API_BASE", "GOOGLE_SEARCH_API_KEY"),
    "vertex_search": ("VERTEX_SEARCH_API_BASE", "VERTEX_SEARCH_API_KEY"),
}
CRM: Mapping[str, tuple[str, ...]] = {
    "salesforce": ("SALESFORCE_API_BASE", "SALESFORCE_CLIENT_SECRET"),
    "hubspot": ("HUBSPOT_API_BASE", "HUBSPOT_ACCESS_TOKEN"),
}
MODELS = ("openai", "anthropic", "rerank")
EMBEDDING_MODEL = "text-embedding-3-small"
VERTEX_CONFIG = (
    "projects/example/locations/global/collections/default_collection/engines/site"
    "/servingConfigs/default_search"
)
SECURED = "salesforce"
"""Its client asks over TLS, whatever it is told."""


def parts() -> list[Part]:
    """The parts of the application, one of each provider that is asked as it is told to be."""
    names = [name for name in (*SEARCH, *CRM, *MODELS) if name != SECURED]
    return [import_module(f"clientlore.testing.fakes.{name}").routes for name in names]


@contextlib.contextmanager
def served(fake: Fake, folder: Path, *, port: int = 0) -> Iterator[dict[str, str]]:
    """Serves every provider on loopback while the block runs; gives the variables that lead there.

    Args:
        fake: What they share.
        folder: Where the certificate is put of what is asked over TLS.
        port: 0 for any free one; what is asked over TLS takes the one after it.
    """
    authority = make_authority(folder)
    with (
        serving(fake, parts(), port=port) as address,
        serving(
            fake,
            [import_module(f"clientlore.testing.fakes.{SECURED}").routes],
            port=port + 1 if port else 0,
            certificate=authority.certificate,
        ) as secured,
    ):
        yield {
            **environment(address),
            "SALESFORCE_API_BASE": secured,
            "CLIENTLORE_CA_FILE": str(authority.trusted),
        }


def environment(address: str) -> dict[str, str]:
    """Variables that send every provider to the fakes at an address, with the keys they take."""
    made = {
        "SALESFORCE_CLIENT_ID": "3MVG9-fake-consumer-key",
        "SALESFORCE_DOMAIN": "advisors.my",
        "SEC_EDGAR_CONTACT": CONTACT,
        "GOOGLE_SEARCH_ENGINE_ID": ENGINE,
        "VERTEX_SEARCH_SERVING_CONFIG": VERTEX_CONFIG,
        "OPENAI_API_BASE": f"{address}{openai.PREFIX}/v1",
        "OPENAI_API_KEY": openai.KEY,
        "ANTHROPIC_API_BASE": f"{address}{anthropic.PREFIX}",
        "ANTHROPIC_API_KEY": anthropic.KEY,
        "EMBEDDING_MODEL": EMBEDDING_MODEL,
        "RERANK_URL": f"{address}{rerank.PATH}",
        "RERANK_MODEL": rerank.MODEL,
        "RERANK_API_KEY": rerank.KEY,
    }
    for name, variables in {**SEARCH, **CRM}.items():
        for variable in variables:
            is_secret = variable.endswith(("KEY", "TOKEN", "SECRET"))
            made[variable] = KEY if is_secret else f"{address}/{name}"
    return made
