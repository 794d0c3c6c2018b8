-- Tables of a store in a database of its own. Times are microseconds since 1970-01-01 UTC. Keys are bytes, so that no collation makes
-- two of them one and no padding makes them equal; none is longer than the 767 bytes that MySQL 5.6 can index, and a name of any length
-- is found by its hash. The names meet none of the predecessor's tables, which may be in this database too.
CREATE TABLE IF NOT EXISTS store_meta (
    `anchor` TINYINT UNSIGNED NOT NULL,
    `store_id` BINARY(16) NOT NULL,
    `group_id` BINARY(16) NOT NULL,
    `applied_index` BIGINT UNSIGNED NOT NULL,
    `decided_at_micros` BIGINT NOT NULL,
    `performed_index` BIGINT UNSIGNED NOT NULL,
    `beats` BIGINT UNSIGNED NOT NULL,
    `beat_at_micros` BIGINT NOT NULL,
    `holder_token` BINARY(16),
    `holder_node` TEXT,
    `holder_server` TEXT,
    `holder_connection` BIGINT UNSIGNED,
    PRIMARY KEY (`anchor`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_downtime (
    `host` VARBINARY(255) NOT NULL,
    `port` SMALLINT UNSIGNED NOT NULL,
    `owner` LONGTEXT NOT NULL,
    `reason` LONGTEXT NOT NULL,
    `begins_at_micros` BIGINT NOT NULL,
    `ends_at_micros` BIGINT NOT NULL,
    PRIMARY KEY (`host`, `port`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_candidate (
    `host` VARBINARY(255) NOT NULL,
    `port` SMALLINT UNSIGNED NOT NULL,
    `promotion_rule` VARBINARY(64) NOT NULL,
    `registered_at_micros` BIGINT NOT NULL,
    `expires_at_micros` BIGINT NOT NULL,
    PRIMARY KEY (`host`, `port`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_forgotten (
    `host` VARBINARY(255) NOT NULL,
    `port` SMALLINT UNSIGNED NOT NULL,
    `forgotten_at_micros` BIGINT NOT NULL,
    PRIMARY KEY (`host`, `port`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_access_token (
    `public_token` VARBINARY(64) NOT NULL,
    `owner` LONGTEXT NOT NULL,
    `created_at_micros` BIGINT NOT NULL,
    `claim_by_micros` BIGINT NOT NULL,
    `secret_sha256` BINARY(32),
    `claimed_at_micros` BIGINT,
    `expires_at_micros` BIGINT,
    PRIMARY KEY (`public_token`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_detection (
    `number` BIGINT UNSIGNED NOT NULL,
    `record` LONGBLOB NOT NULL,
    `recovery_id` VARBINARY(32) NOT NULL,
    `host` VARBINARY(255) NOT NULL,
    `port` SMALLINT UNSIGNED NOT NULL,
    `detected_at_micros` BIGINT NOT NULL,
    PRIMARY KEY (`number`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_recovery (
    `recovery_id` VARBINARY(32) NOT NULL,
    `record` LONGBLOB NOT NULL,
    `number` BIGINT UNSIGNED NOT NULL,
    `host` VARBINARY(255) NOT NULL,
    `port` SMALLINT UNSIGNED NOT NULL,
    `registered_at_micros` BIGINT NOT NULL,
    `ended_at_micros` BIGINT,
    PRIMARY KEY (`recovery_id`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_recovery_step (
    `recovery_id` VARBINARY(32) NOT NULL,
    `number` INT UNSIGNED NOT NULL,
    `fence` BIGINT UNSIGNED NOT NULL,
    `recorded_at_micros` BIGINT NOT NULL,
    `state` LONGBLOB NOT NULL,
    PRIMARY KEY (`recovery_id`, `number`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_recovery_note (
    `recovery_id` VARBINARY(32) NOT NULL,
    `number` BIGINT UNSIGNED NOT NULL,
    `written_at_micros` BIGINT NOT NULL,
    `text` LONGTEXT NOT NULL,
    PRIMARY KEY (`recovery_id`, `number`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_recoveries_disabled (
    `anchor` TINYINT UNSIGNED NOT NULL,
    `disabled_by` LONGTEXT NOT NULL,
    `disabled_at_micros` BIGINT NOT NULL,
    PRIMARY KEY (`anchor`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_left_stopped (
    `host` VARBINARY(255) NOT NULL,
    `port` SMALLINT UNSIGNED NOT NULL,
    `recovery_id` VARBINARY(32) NOT NULL,
    PRIMARY KEY (`host`, `port`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_group_node (
    `name` VARBINARY(767) NOT NULL,
    `reported` LONGTEXT NOT NULL,
    PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_answer (
    `request` BINARY(16) NOT NULL,
    `entry_index` BIGINT UNSIGNED NOT NULL,
    `reply` LONGBLOB NOT NULL,
    `decided_at_micros` BIGINT NOT NULL,
    PRIMARY KEY (`request`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decided_cluster_alias (
    `key_sha256` BINARY(32) NOT NULL,
    `cluster_name` LONGTEXT NOT NULL,
    `alias` LONGTEXT NOT NULL,
    `set_by` LONGTEXT,
    `decided_at_micros` BIGINT NOT NULL,
    `moved_from` LONGTEXT,
    `moved_by` VARBINARY(32),
    PRIMARY KEY (`key_sha256`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS decision_log (
    `entry_index` BIGINT UNSIGNED NOT NULL,
    `envelope` LONGBLOB NOT NULL,
    `reply` LONGBLOB NOT NULL,
    `effects` LONGBLOB,
    `decided_at_micros` BIGINT NOT NULL,
    PRIMARY KEY (`entry_index`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS observed_instance (
    `host` VARBINARY(255) NOT NULL,
    `port` SMALLINT UNSIGNED NOT NULL,
    `known_since_micros` BIGINT NOT NULL,
    `record` LONGBLOB NOT NULL,
    `last_seen_at_micros` BIGINT,
    PRIMARY KEY (`host`, `port`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
