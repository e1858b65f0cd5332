-- Nothing invented reaches a person; asserted here once more, over everything at once.
{{ config(severity="warn") }}
select e.tenant_id, e.event_id
from {{ ref("stg_events") }} as e
inner join {{ ref("stg_tenants") }} as t using (tenant_id)
where t.mode = 'live' and e.source_mode <> 'live'
