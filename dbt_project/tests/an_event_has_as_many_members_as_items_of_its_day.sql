-- What was folded into an event on its own day is what the event counts.
{{ config(severity="warn") }}
with counted as (
    select tenant_id, day, event_id, count(*) as items
    from {{ ref("stg_event_members") }}
    where is_used
    group by all
)
select e.tenant_id, e.event_id, e.members, c.items
from {{ ref("stg_events") }} as e
left join counted as c using (tenant_id, day, event_id)
where e.members is distinct from coalesce(c.items, 0)
