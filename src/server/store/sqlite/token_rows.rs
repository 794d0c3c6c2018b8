//! Rows of access tokens.

use orchestrator_core::decided::RowChange;
use orchestrator_core::domain::{AccessToken, PublicToken, SecretDigest, Timestamp, TokenClaim};
use rusqlite::{Connection, Row, params};

use super::fault::Fault;

const PUT: &str = "INSERT OR REPLACE INTO decided_access_token \
     (public_token, owner, created_at_micros, claim_by_micros, secret_sha256, claimed_at_micros, expires_at_micros) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const DELETE: &str = "DELETE FROM decided_access_token WHERE public_token = ?1";
const ALL: &str = "SELECT public_token, owner, created_at_micros, claim_by_micros, secret_sha256, \
     claimed_at_micros, expires_at_micros FROM decided_access_token ORDER BY public_token";

/// Statements that write.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [PUT, DELETE];

pub(super) fn put(
    connection: &Connection,
    public: &PublicToken,
    row: &AccessToken,
) -> rusqlite::Result<usize> {
    let claim = row.claim.as_ref();
    connection.prepare_cached(PUT)?.execute(params![
        public.to_string(),
        row.owner,
        row.created_at.as_micros(),
        row.claim_by.as_micros(),
        claim.map(|claim| claim.secret_digest.as_bytes()),
        claim.map(|claim| claim.claimed_at.as_micros()),
        claim.map(|claim| claim.expires_at.as_micros()),
    ])
}

pub(super) fn delete(connection: &Connection, public: &PublicToken) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(DELETE)?
        .execute(params![public.to_string()])
}

/// Every token, as the change that writes it.
pub(super) fn load(connection: &Connection, into: &mut Vec<RowChange>) -> Result<(), Fault> {
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let token = AccessToken {
            owner: row.get(1)?,
            created_at: row.get(2).map(Timestamp::from_micros)?,
            claim_by: row.get(3).map(Timestamp::from_micros)?,
            claim: claim(row)?,
        };
        into.push(RowChange::PutAccessToken(public(row)?, token));
    }
    Ok(())
}

fn public(row: &Row<'_>) -> Result<PublicToken, Fault> {
    let text: String = row.get(0)?;
    PublicToken::parse(&text)
        .map_err(|error| Fault::Damaged(format!("a row of decided_access_token: {error}")))
}

fn claim(row: &Row<'_>) -> rusqlite::Result<Option<TokenClaim>> {
    let Some(digest) = row.get::<_, Option<[u8; 32]>>(4)? else {
        return Ok(None);
    };
    Ok(Some(TokenClaim {
        secret_digest: SecretDigest::from_bytes(digest),
        claimed_at: row.get(5).map(Timestamp::from_micros)?,
        expires_at: row.get(6).map(Timestamp::from_micros)?,
    }))
}
