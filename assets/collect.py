"""Assets that collect: the CRM, the configuration of the day, news. What comes is kept byte for byte."""

import dagster as dg

from assets.showing import DAYS, check_specs, key_of, materialize_stage
from clientlore.runs.session import Session

GROUP = "collect"
OWNERS = ["team:platform"]


@dg.asset(
    key=key_of("raw/crm_accounts"),
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"parquet", "crm"},
    owners=OWNERS,
    check_specs=check_specs("raw/crm_accounts"),
    description="A row is a company as the CRM knew it at the time of collection. Clients, contacts and the "
    "people responsible are brought to what the newest collection says.",
)
def crm_accounts(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "raw/crm_accounts")


@dg.asset(
    key=key_of("core/config_snapshot"),
    deps=[crm_accounts],
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"parquet"},
    owners=OWNERS,
    check_specs=check_specs("core/config_snapshot"),
    description="A row is a client, person or source as it was configured when the day's snapshot was taken. "
    "It is taken once for each tenant and day; everything that is derived reads it.",
)
def config_snapshot(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "core/config_snapshot")


@dg.asset(
    key=key_of("raw/crm_activities"),
    deps=[config_snapshot],
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"parquet", "crm"},
    owners=OWNERS,
    check_specs=check_specs("raw/crm_activities"),
    description="A row is something people did with a client, as the CRM tells it.",
)
def crm_activities(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "raw/crm_activities")


@dg.asset(
    key=key_of("raw/search_results"),
    deps=[config_snapshot],
    partitions_def=DAYS,
    group_name=GROUP,
    kinds={"parquet", "rss"},
    owners=OWNERS,
    check_specs=check_specs("raw/search_results"),
    description="A row is a piece of news in a response, as its source tells it. The response itself lies beside "
    "it in raw/responses, byte for byte.",
)
def search_results(
    context: dg.AssetExecutionContext, run: dg.ResourceParam[Session]
) -> dg.MaterializeResult:
    return materialize_stage(context, run, "raw/search_results")
