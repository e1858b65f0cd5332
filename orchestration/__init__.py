"""The Dagster application: definitions, jobs, and `python -m orchestration`, which starts and inspects runs.

Not here: assets, resources, sensors (folders of their own), decisions (`clientlore`).
"""
