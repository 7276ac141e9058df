-- The day of the AR of the acts received before the column existed: the workflow says it ("Reçu par le MI le 2025-06-16").
update acte_transaction t set received_on = w.day
from (
    select transaction_id, min(substring(message from '([0-9]{4}-[0-9]{2}-[0-9]{2})$'))::date as day
    from acte_workflow where status = 4 and message ~ '^Reçu par le .* le [0-9]{4}-[0-9]{2}-[0-9]{2}$' group by transaction_id
) w
where w.transaction_id = t.id and t.received_on is null and t.type <> 7;
