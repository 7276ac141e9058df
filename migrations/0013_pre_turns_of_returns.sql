-- What the State sends back takes turns too. What waits to be read is nobody's yet (authority_id stays null: nothing
-- holds, shows or purges it by what it claims); `turn_of` is in whose turn it is read, by a look at its first bytes:
-- the number of a collectivité, that of a share of those that are only named (negative), or null. No reference: it
-- binds nothing. `tenant` is made anew from both; `job` is small, nobody reads it meanwhile.
alter table job drop column tenant;
alter table job add column turn_of bigint,
    add column tenant bigint not null generated always as (coalesce(authority_id, turn_of, 0)) stored;
create index job_last_turn on job (kind, large, tenant, turn) where turn is not null;
