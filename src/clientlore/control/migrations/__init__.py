"""Versions of the control plane, oldest first."""
