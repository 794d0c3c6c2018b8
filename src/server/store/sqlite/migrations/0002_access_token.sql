-- Access tokens of the authentication method "token". Of the secret half there is only its SHA-256. The last three columns
-- are NULL until the token is claimed.
CREATE TABLE decided_access_token (
    public_token TEXT NOT NULL CHECK (length(public_token) = 64),
    owner TEXT NOT NULL,
    created_at_micros INTEGER NOT NULL,
    claim_by_micros INTEGER NOT NULL,
    secret_sha256 BLOB CHECK (length(secret_sha256) = 32),
    claimed_at_micros INTEGER,
    expires_at_micros INTEGER,
    CHECK ((secret_sha256 IS NULL) = (claimed_at_micros IS NULL)),
    CHECK ((secret_sha256 IS NULL) = (expires_at_micros IS NULL)),
    PRIMARY KEY (public_token)
) STRICT, WITHOUT ROWID;
