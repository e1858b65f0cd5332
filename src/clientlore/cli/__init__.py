"""The command line: what people type, and how it is answered. Decides nothing; asks the library.

Modules here import click alone at their top: `clientlore --help` must answer at once.
"""
