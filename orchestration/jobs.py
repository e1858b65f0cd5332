"""Jobs, with names and descriptions for people."""

from __future__ import annotations

import dagster as dg

from assets.showing import key_of
from clientlore.runs.stages import DAILY, UNPARTITIONED, UPKEEP

_DAILY = dg.AssetSelection.assets(*(key_of(key) for key in DAILY))
_FOR_ANALYSTS = dg.AssetSelection.groups("analyse")
_ONCE = dg.AssetSelection.assets(*(key_of(key) for key in UNPARTITIONED))

client_monitoring = dg.define_asset_job(
    "client_monitoring",
    selection=_DAILY | _ONCE,
    description="One day from collection to mail: what schedules start, and `clientlore run`. Narrow it with "
    "`clients` or `tenants` under resources.run.config. It mails only what a fire in its configuration authorises.",
)
reprocess_days = dg.define_asset_job(
    "reprocess_days",
    selection=_DAILY,
    description="Past days from collection to matches, without memory index and mail: for backfills and after a "
    "change of configuration. Follow it with refresh_outputs.",
)
refresh_outputs = dg.define_asset_job(
    "refresh_outputs",
    selection=_ONCE | dg.AssetSelection.assets(key_of("out/store_health")) | _FOR_ANALYSTS,
    description="Everything that has no day, once: memory index, dossiers, waiting mail, run ledger, health of the "
    "stores, the analysts' database. For the end of a batch of days.",
)
send_waiting_mail = dg.define_asset_job(
    "send_waiting_mail",
    selection=dg.AssetSelection.assets(key_of("out/deliveries")),
    description="Sends mail that waited for the end of quiet hours or for a mail server. Opens no window.",
)
publish_warehouse = dg.define_asset_job(
    "publish_warehouse",
    selection=_FOR_ANALYSTS,
    description="Builds the analysts' database anew and puts it in the place of the one they read: exports, dbt models "
    "with their tests, the published file. Nobody who reads is disturbed.",
)
memory_automation = dg.define_asset_job(
    "memory_automation",
    selection=dg.AssetSelection.assets(key_of("core/memory_maintenance"), key_of("core/memories")),
    description="Does tasks of memory that a policy or a person asked for, named under resources.run.config.tasks; "
    "the "
    "sensor memory_policies starts it. Without tasks it does what the policies want now.",
)
daily_memory = dg.define_asset_job(
    "daily_memory",
    selection=dg.AssetSelection.assets(
        key_of("core/config_snapshot"),
        key_of("core/memory_log"),
        *(key_of(key) for key in UPKEEP),
        key_of("core/memories"),
        key_of("out/dossiers"),
    ),
    description="A tenant's day of memory: what its notes and documents say, what policies want done, connections, the "
    "insights of the day, then index and dossiers. Without a policy it tidies nothing and only looks.",
)
daily_memory_at_night = dg.build_schedule_from_partitioned_job(
    daily_memory,
    name="daily_memory_at_night",
    hour_of_day=3,
    minute_of_hour=40,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Does the day of memory for the day that has just ended, after its last collection. Switch it off "
    "where "
    "nobody keeps memories.",
)
train_classifier = dg.define_asset_job(
    "train_classifier",
    selection=dg.AssetSelection.assets(key_of("core/classifier")),
    description="Trains the local classifier anew on the labelled sets in CLIENTLORE_TRAINING_DIR, and puts it in "
    "force unless it is worse. Does nothing without them.",
)
evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.assets(key_of("out/evaluation")),
    description="Measures decisions on the labelled sets in CLIENTLORE_EVALUATION_DIR and holds them against the "
    "accepted figures: for the look before a change goes in. Does nothing without them.",
)
publish_daily = dg.ScheduleDefinition(
    name="publish_daily",
    job=publish_warehouse,
    cron_schedule="20 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Publishes the analysts' database once a day, after the nightly batches of most zones. Switch it off "
    "where nobody reads it; a range of days publishes it at its end too.",
)
JOBS = [
    client_monitoring,
    reprocess_days,
    refresh_outputs,
    send_waiting_mail,
    publish_warehouse,
    memory_automation,
    daily_memory,
    train_classifier,
    evaluate,
]
SCHEDULES = [publish_daily, daily_memory_at_night]
