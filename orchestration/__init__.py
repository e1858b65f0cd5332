"""The Dagster application: definitions, jobs, and `python -m orchestration`, which starts and inspects runs.

Not here: assets, resources, sensors (folders of their own), decisions (`clientlore`).
"""

import gc

from clientlore.leaving import leave_quickly

# Dagster and what it needs are 400,000 objects, none of them garbage. To look through them as often as Python does
# while it imports them takes a tenth of a short run.
gc.set_threshold(50_000, 20, 50)
leave_quickly()
