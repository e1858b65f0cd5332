"""What Clientlore knows about each client: an append-only log, its fold, and an index to search it.

The log is the truth; state and index are made from it and can be thrown away. Not here: who is mailed what.
"""
