"""What Clientlore can ask for news, CRM data and memory: each kind a Protocol, with its real and its mock ones.

An adapter fetches bytes and parses them; it decides nothing about what they mean. Not here: storing,
deduplicating, scoring.
"""
