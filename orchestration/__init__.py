"""The Dagster application: definitions, jobs, and `python -m orchestration`, which starts and inspects runs.

Not here: assets, resources, sensors (folders of their own), decisions (`clientlore`).
"""

import atexit
import gc

# Dagster and what it needs are 400,000 objects, none of them garbage. Looked through as often as Python does while
# they are imported, and again at the end, they take a third of a short run.
gc.set_threshold(50_000, 20, 50)
atexit.register(gc.freeze)
