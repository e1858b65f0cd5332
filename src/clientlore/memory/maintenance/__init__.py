"""Keeping memory in order: what to do follows from its state and an instant alone, and everything can be undone.

Each module has one task and gives a `Plan`: operations for the log, counts before and after, and examples to look at.
Not here: when it is done (`policies`), appending (`memory.service`).
"""
