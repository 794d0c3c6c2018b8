-- How far the import of what the predecessor decided is; one row, once there is an import.
CREATE TABLE IF NOT EXISTS decided_import (
    `anchor` TINYINT UNSIGNED NOT NULL,
    `source` LONGTEXT NOT NULL,
    `node` LONGTEXT NOT NULL,
    `begun_at_micros` BIGINT NOT NULL,
    `through_kind` TINYINT UNSIGNED,
    `through_key` LONGTEXT,
    `taken` INT UNSIGNED NOT NULL,
    `kept` INT UNSIGNED NOT NULL,
    `ended_at_micros` BIGINT,
    PRIMARY KEY (`anchor`)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
