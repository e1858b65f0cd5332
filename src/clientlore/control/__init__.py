"""The control plane: tenants, people, clients, sources, schedules, fires, runs and every ledger.

What is mutable or must be decided exactly once lives here, in SQLite or PostgreSQL. Functions take an
open connection, so that a caller decides what is one transaction. Not here: events, scores, mail text.
"""
