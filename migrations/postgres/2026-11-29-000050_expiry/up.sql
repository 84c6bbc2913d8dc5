-- What is due is looked for every hour, and nearly everything that is in force is not: found by the
-- day it ends, or by the set it answers, without reading the rest.
CREATE INDEX evaluations_by_expiry ON evaluations (status, expires_at);
CREATE INDEX evaluations_by_set ON evaluations (set_id, status);
