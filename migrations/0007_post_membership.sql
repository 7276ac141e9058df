-- The group of a collectivité is its membership of the day: nothing reads the column any more.

alter table authority drop column group_id;
