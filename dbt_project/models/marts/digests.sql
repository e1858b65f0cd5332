with lines as (
    select
        tenant_id,
        window_id,
        count(*) filter (where decision = 'already_sent') as already_sent,
        count(*) filter (where decision = 'over_cap') as over_cap
    from {{ ref("stg_decisions") }}
    group by all
)
select
    w.tenant_id,
    w.window_id,
    w.user_id,
    r.handle as reader,
    w.frequency,
    w.window_key,
    w.as_of_day,
    w.outcome,
    w.items,
    w.late,
    coalesce(l.already_sent, 0) as already_sent,
    coalesce(l.over_cap, 0) as over_cap,
    w.channel,
    w.mail_state,
    w.attempts,
    w.closed_at,
    w.sent_at,
    epoch(w.sent_at - w.closed_at) as seconds_to_sent
from {{ ref("stg_windows") }} as w
left join {{ ref("stg_readers") }} as r
    on r.tenant_id = w.tenant_id and r.user_id = w.user_id
left join lines as l on l.tenant_id = w.tenant_id and l.window_id = w.window_id
order by w.tenant_id, w.closed_at, w.window_id
