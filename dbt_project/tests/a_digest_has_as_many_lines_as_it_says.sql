-- The window's own count against the decisions that were written when it closed.
{{ config(severity="warn") }}
with lines as (
    select tenant_id, window_id, count(*) filter (where decision = 'sent') as sent
    from {{ ref("stg_decisions") }}
    group by all
)
select w.tenant_id, w.window_id, w.items, coalesce(l.sent, 0) as sent
from {{ ref("stg_windows") }} as w
left join lines as l using (tenant_id, window_id)
where w.items is distinct from coalesce(l.sent, 0)
