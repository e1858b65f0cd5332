"""Language models that judge: a Protocol, the real ones, what they are told and what it costs.

What a model is given from outside is data: cleaned, cut and fenced here. Not here: which items are judged, and what
becomes of an answer (`clientlore.monitoring.llm_scoring`).
"""
