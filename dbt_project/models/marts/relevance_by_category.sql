with thresholds as (
    select cast(n / 10.0 as decimal(2, 1)) as threshold from range(0, 11) as t (n)
)
select
    r.tenant_id,
    r.category,
    t.threshold,
    count(*) as pairs,
    count(*) filter (where r.score >= t.threshold) as at_or_above,
    count(*) filter (where r.score >= t.threshold) / count(*) as share
from {{ ref("stg_relevance") }} as r
cross join thresholds as t
where r.score is not null
group by all
order by all
