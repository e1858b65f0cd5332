"""Clientlore: what the world says about your clients, folded, scored, remembered and mailed."""

__version__ = "0.1.0"
