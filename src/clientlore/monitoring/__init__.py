"""From sources to scored events: collect, normalise, fold duplicates, match clients, judge relevance.

Decisions about what is news, for whom and how much. Not here: who is mailed (`digests`), what is remembered
(`memory`), how bytes are kept (`storage`).
"""
