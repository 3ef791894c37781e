-- What an agent was denied lately, for its page; the audit log is never pruned.
CREATE INDEX audit_denied ON audit (actor) WHERE action = 'egress_denied';
