"""Documents and mails that somebody gave: kept as they came, read, cut into passages, and remembered.

A document is a memory of the kind `document` and its passages are memories of the kind `passage`, so that search,
history, undo, export and forgetting reach them as they reach everything else. Here: what a document may be, reading
it, cutting it, keeping it, the inbox folder. Not here: how passages are ranked (`memory.ranking`).
"""

from clientlore.memory.documents.model import Added, Document, NewDocument, Passage
from clientlore.memory.documents.service import DocumentHit, Documents, Page

__all__ = ["Added", "Document", "DocumentHit", "Documents", "NewDocument", "Page", "Passage"]
