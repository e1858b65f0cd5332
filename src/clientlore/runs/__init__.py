"""Running things: the stages from raw to mail, what a run reports, and who starts runs.

Here the library's decisions are strung together, tenant by tenant, so that Dagster has nothing left to decide.
"""
