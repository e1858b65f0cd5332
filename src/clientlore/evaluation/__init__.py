"""How good the decisions are, measured on labelled sets that lie beside the project and never enter it.

Labels that are ours (ids and a judgement, no text) are here. Not here: the decisions, nor what is printed of them.
"""
