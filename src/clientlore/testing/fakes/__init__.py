"""Fakes of the providers, which speak as the real ones do: one web application with a part for each provider.

A part is a module of this package with `routes(fake)`, which gives the routes of its provider below a prefix of its
own. Here: what they share. Not here: anything that a real provider's adapter needs to work.
"""
