"""Memories out of texts: notes, activities in the CRM, documents. By rules, or by a language model where one is asked.

Here: what a text says that is worth remembering, each with the place where it says so. Not here: whether it is known
already (`clientlore.memory.arrival`), reading files (`clientlore.memory.documents`).
"""

from clientlore.memory.extracting.model import Extracted, Extraction, Extractor, Source
from clientlore.memory.extracting.rules import RulesExtractor

__all__ = ["Extracted", "Extraction", "Extractor", "RulesExtractor", "Source"]
