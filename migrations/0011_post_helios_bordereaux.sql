-- An ampersand of a NomFic was kept as the reference that the parser told.
update helios_transaction set xml_nomfic = replace(xml_nomfic, '&#38;', '&') where xml_nomfic like '%&#38;%';
update helios_nomfic n set nomfic = replace(nomfic, '&#38;', '&') where nomfic like '%&#38;%' and not exists (
    select 1 from helios_nomfic o where o.nomfic = replace(n.nomfic, '&#38;', '&') and o.cod_col = n.cod_col);

-- What the flows of the last two years carry, noted one after the other, the latest first, beside all other work: what
-- the trésorerie still returns of them finds them.
insert into job (kind, authority_id, object_id, run_at)
select 'helios.index', t.authority_id, t.id,
    now() + make_interval(secs => row_number() over (order by t.submitted_at desc, t.id desc))
from helios_transaction t
where t.xml_nomfic is not null and t.status <> 22 and t.submitted_at > now() - interval '2 years'
    and not exists (select 1 from helios_bordereau b where b.transaction_id = t.id)
    and exists (select 1 from helios_workflow w where w.transaction_id = t.id and w.status in (2, 3));
