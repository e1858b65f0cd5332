"""Whether the data is what it should be: shapes by Great Expectations, promises by the ledger, pictures for people.

A blocking check asserts only what must hold after quarantine. Not here: setting things aside.
"""
