with scored as (
    select tenant_id, day, sum(tokens) as tokens, sum(cost_usd) as cost_usd
    from {{ ref("stg_relevance") }}
    group by all
)
select
    s.tenant_id,
    s.day,
    s.stage,
    count(*) as runs,
    count(*) filter (where s.state in ('failed', 'held')) as failed,
    sum(s.seconds) as seconds,
    arg_max(s.rows, s.seq) as rows,
    coalesce(any_value(c.tokens), 0) as tokens,
    coalesce(any_value(c.cost_usd), 0) as cost_usd
from {{ ref("stg_stage_runs") }} as s
left join scored as c
    on c.tenant_id = s.tenant_id and c.day = s.day and s.stage = 'core/relevance'
group by s.tenant_id, s.day, s.stage
order by all
