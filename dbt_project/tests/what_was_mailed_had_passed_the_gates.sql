-- A line in a mail without a match that passed would be a line nobody can explain.
{{ config(severity="warn") }}
select d.tenant_id, d.window_id, d.event_id
from {{ ref("stg_decisions") }} as d
where
    d.decision = 'sent'
    and not exists (
        select 1 from {{ ref("stg_matches") }} as m
        where
            m.tenant_id = d.tenant_id and m.event_id = d.event_id
            and m.user_id = d.user_id and m.passed
    )
