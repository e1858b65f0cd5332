select tenant_id, category, threshold
from (
    select *, lag(at_or_above) over (partition by tenant_id, category order by threshold) as lower
    from {{ ref("relevance_by_category") }}
)
where at_or_above > lower
