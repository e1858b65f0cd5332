"""Dagster resources: configuration in, a plain library object out.

Not here: decisions, stores, providers; those are in `clientlore`.
"""
