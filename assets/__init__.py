"""Asset functions: key, dependencies, partition, one call into the library, metadata.

Not here: decisions (`clientlore`), jobs and schedules (`orchestration`), configuration (`resources`).
"""
