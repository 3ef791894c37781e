-- Times are seconds since 1970 (CLOCK_REALTIME). A deadline is three columns: X_wall, X_boot and
-- X_boottime, all set or all null. Whole rows are read by position: later columns are appended.
-- What a send writes to is kept to few pages: each costs a write to the log before the answer.
-- Numbers do not come back: retention leaves the newest row of messages and events in place.

CREATE TABLE agents (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    origin TEXT NOT NULL,
    capabilities TEXT NOT NULL,     -- JSON array
    settings TEXT NOT NULL,         -- JSON as in agent.json
    settings_version INTEGER NOT NULL,
    budget TEXT NOT NULL,           -- JSON array
    wanted TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at REAL NOT NULL,
    description TEXT NOT NULL,
    model_override TEXT,
    hold TEXT,                      -- JSON array
    quarantined TEXT,
    digest BLOB NOT NULL            -- SHA-256 of all the others but id
) STRICT;
CREATE UNIQUE INDEX agents_name ON agents (name) WHERE state != 'purged';

CREATE TABLE keys (
    sender_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    answer TEXT NOT NULL,           -- JSON
    created_at REAL NOT NULL,
    PRIMARY KEY (sender_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_age ON keys (created_at);

CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    sender_id INTEGER NOT NULL,
    sender TEXT NOT NULL,
    kind TEXT NOT NULL,
    thread INTEGER,                 -- null: this message began it
    in_reply_to INTEGER,
    hops INTEGER NOT NULL,
    sent_at REAL NOT NULL,
    expires_wall REAL,
    expires_boot TEXT,
    expires_boottime REAL,
    coalesce TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

-- What the queue is searched by is copied here from the message.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    message_id INTEGER NOT NULL REFERENCES messages (id),
    sender_id INTEGER NOT NULL,
    system INTEGER NOT NULL,
    coalesce TEXT NOT NULL,
    expires_wall REAL,
    expires_boot TEXT,
    expires_boottime REAL,
    recipient_id INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 1,
    not_before_wall REAL,
    not_before_boot TEXT,
    not_before_boottime REAL,
    instance TEXT,
    turn TEXT,
    outcome TEXT NOT NULL DEFAULT '',
    settled_at REAL                 -- null exactly while accepted or leased
) STRICT;
CREATE UNIQUE INDEX deliveries_message ON deliveries (message_id, recipient_id);
CREATE INDEX deliveries_queue ON deliveries (recipient_id, state, id, sender_id)
    WHERE settled_at IS NULL;
-- Of what is settled only: a turn settles many rows at once, so a send has two pages less to write.
CREATE INDEX deliveries_inbox ON deliveries (recipient_id) WHERE settled_at IS NOT NULL;
CREATE INDEX deliveries_sent ON deliveries (sender_id) WHERE settled_at IS NOT NULL;
CREATE INDEX deliveries_repeats ON deliveries (recipient_id, coalesce)
    WHERE settled_at IS NULL AND coalesce != '';
CREATE INDEX deliveries_expiring ON deliveries (expires_boot, expires_boottime)
    WHERE settled_at IS NULL AND expires_boot IS NOT NULL;
CREATE INDEX deliveries_turn ON deliveries (turn) WHERE state = 'leased';
CREATE INDEX deliveries_failed ON deliveries (state)
    WHERE settled_at IS NOT NULL AND state != 'acked';
CREATE INDEX deliveries_settled ON deliveries (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX deliveries_disposable ON deliveries (message_id)
    WHERE settled_at IS NOT NULL AND state != 'dead';
CREATE VIEW delivery_rows AS SELECT
    d.id, d.recipient_id, d.recipient, d.state, d.attempt, d.outcome, d.instance, d.turn,
    d.settled_at,
    d.not_before_wall, d.not_before_boot, d.not_before_boottime,
    d.expires_wall, d.expires_boot, d.expires_boottime,
    m.id AS message_id, m.sender_id, m.sender, m.kind, m.body, ifnull(m.thread, m.id) AS thread,
    m.in_reply_to, m.hops, m.sent_at
FROM deliveries AS d CROSS JOIN messages AS m ON m.id = d.message_id;

-- Under a recipient's id: how many deliveries wait for it, system mail aside; every send asks.
-- Under -2: transactions committed; beside the database, it is remembered how many at least.
CREATE TABLE counters (
    id INTEGER PRIMARY KEY,
    n INTEGER NOT NULL
) STRICT;
INSERT INTO counters VALUES (-2, 0);
CREATE TRIGGER deliveries_wait AFTER INSERT ON deliveries
WHEN NEW.settled_at IS NULL AND NOT NEW.system
BEGIN
    INSERT INTO counters VALUES (NEW.recipient_id, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER deliveries_settle AFTER UPDATE OF settled_at ON deliveries
WHEN OLD.settled_at IS NULL AND NEW.settled_at IS NOT NULL AND NOT NEW.system
BEGIN
    UPDATE counters SET n = n - 1 WHERE id = NEW.recipient_id;
END;

CREATE TABLE turns (
    id TEXT PRIMARY KEY,
    agent_id INTEGER NOT NULL,
    instance TEXT NOT NULL,
    state TEXT NOT NULL,
    models TEXT NOT NULL,           -- JSON array
    began_at REAL NOT NULL,
    ended_at REAL,
    error TEXT NOT NULL,
    session TEXT NOT NULL,
    last_event INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    micro_usd INTEGER NOT NULL,
    requests INTEGER NOT NULL
) STRICT;
CREATE INDEX turns_agent ON turns (agent_id);
CREATE INDEX turns_open ON turns (agent_id) WHERE state = 'open';
CREATE INDEX turns_ended ON turns (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE usage (
    agent_id INTEGER NOT NULL,
    day TEXT NOT NULL,              -- YYYY-MM-DD, UTC
    model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    micro_usd INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (agent_id, day, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE questions (
    id INTEGER PRIMARY KEY,
    asker_id INTEGER NOT NULL,
    asker TEXT NOT NULL,
    target_id INTEGER NOT NULL,
    target TEXT NOT NULL,
    question TEXT NOT NULL,
    options TEXT NOT NULL,          -- JSON array
    multi INTEGER NOT NULL,
    state TEXT NOT NULL,
    asked_at REAL NOT NULL,
    deadline_wall REAL,
    deadline_boot TEXT,
    deadline_boottime REAL,
    answer TEXT NOT NULL,
    answerer TEXT NOT NULL,
    resolved_at REAL
) STRICT;
CREATE INDEX questions_open ON questions (id) WHERE state = 'open';

CREATE TABLE approvals (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    requester_id INTEGER NOT NULL,
    requester TEXT NOT NULL,
    agent TEXT NOT NULL,
    agent_id INTEGER,
    description TEXT NOT NULL,
    binding TEXT NOT NULL,          -- JSON object
    requested_at REAL NOT NULL,
    note TEXT NOT NULL,
    resolved_by TEXT NOT NULL,
    resolved_at REAL
) STRICT;
CREATE INDEX approvals_open ON approvals (id) WHERE state IN ('checking', 'pending');

CREATE TABLE operations (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    agent_id INTEGER NOT NULL,
    agent TEXT NOT NULL,
    state TEXT NOT NULL,
    actor TEXT NOT NULL,
    begun_at REAL NOT NULL,
    approval_id INTEGER,
    invocation TEXT,
    purge INTEGER NOT NULL,
    error TEXT NOT NULL,
    ended_at REAL
) STRICT;
CREATE INDEX operations_open ON operations (id) WHERE state = 'open';

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    agent TEXT,
    data TEXT NOT NULL              -- JSON object
) STRICT;
CREATE INDEX events_turn_log ON events (agent) WHERE kind GLOB 'turn_*';
CREATE INDEX events_crash ON events (agent, at) WHERE kind = 'crash';
CREATE INDEX events_turn_age ON events (at) WHERE kind GLOB 'turn_*';

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_edited BEFORE UPDATE ON audit
BEGIN SELECT raise(ABORT, 'the audit log is never edited'); END;
CREATE TRIGGER audit_is_not_pruned BEFORE DELETE ON audit
BEGIN SELECT raise(ABORT, 'the audit log is never pruned'); END;

CREATE TABLE logins (
    digest BLOB PRIMARY KEY,
    kind TEXT NOT NULL,
    expires_wall REAL NOT NULL,
    expires_boot TEXT NOT NULL,
    expires_boottime REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
