select
    tenant_id,
    day,
    gate,
    count(*) as pairs,
    count(distinct event_id) as events,
    count(distinct user_id) as readers
from {{ ref("stg_matches") }}
group by all
order by all
