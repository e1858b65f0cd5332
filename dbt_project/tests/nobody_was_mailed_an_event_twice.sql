-- Once is once, whichever window it was.
{{ config(severity="warn") }}
select tenant_id, user_id, event_id, count(*) as times
from {{ ref("stg_decisions") }}
where decision = 'sent'
group by all
having count(*) > 1
