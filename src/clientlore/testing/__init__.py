"""Fakes that ship: servers on loopback that behave as real ones do, badly included, and short ways to a workspace.

For the tests of Clientlore and for those of whoever builds on it. Not imported by the product.
"""
