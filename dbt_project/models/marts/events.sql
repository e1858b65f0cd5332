with told as (
    select tenant_id, event_id, count(*) as members
    from {{ ref("stg_event_members") }}
    where is_used
    group by all
),
judged as (
    select
        tenant_id,
        event_id,
        count(distinct client_id) as clients,
        max(score) as best_score,
        arg_max(category, score) as category
    from {{ ref("stg_relevance") }}
    group by all
)
select
    e.tenant_id,
    e.event_id,
    e.story_id,
    e.story_similarity,
    e.day,
    e.title,
    e.publisher,
    e.published_at,
    e.first_collected_at,
    coalesce(t.members, e.members) as members,
    coalesce(t.members, e.members) - 1 as folded,
    e.publishers,
    e.is_revised,
    coalesce(j.clients, 0) as clients,
    j.best_score,
    j.category,
    e.source_mode
from {{ ref("stg_events") }} as e
left join told as t on t.tenant_id = e.tenant_id and t.event_id = e.event_id
left join judged as j on j.tenant_id = e.tenant_id and j.event_id = e.event_id
order by e.tenant_id, e.day, e.event_id
