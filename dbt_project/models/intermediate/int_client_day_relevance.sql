select
    tenant_id,
    client_id,
    day,
    count(*) as events,
    count(*) filter (where is_relevant) as relevant,
    max(score) as best_score,
    arg_max(category, score) as top_category
from {{ ref("stg_relevance") }}
group by all
