-- `sent` is what a server or the folder said, not what we hope.
{{ config(severity="warn") }}
select w.tenant_id, w.window_id
from {{ ref("stg_windows") }} as w
where
    w.mail_state = 'sent'
    and not exists (
        select 1 from {{ ref("stg_mail_attempts") }} as a
        where
            a.tenant_id = w.tenant_id and a.window_id = w.window_id and a.outcome = 'sent'
    )
