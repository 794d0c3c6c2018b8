//! Rows of access tokens.

use orchestrator_core::decided::RowChange;
use orchestrator_core::domain::{AccessToken, PublicToken, SecretDigest, TokenClaim};

use super::super::fault::Fault;
use super::cell::{Cell, ReadRow, array, optional, time};
use super::{DecidedTable, Table};

const NAME: &str = "decided_access_token";

pub(super) const ACCESS_TOKEN: DecidedTable = DecidedTable {
    table: Table::new(
        NAME,
        &["public_token"],
        &[
            "owner",
            "created_at_micros",
            "claim_by_micros",
            "secret_sha256",
            "claimed_at_micros",
            "expires_at_micros",
        ],
    ),
    read: |row| {
        let token = AccessToken {
            owner: row.text(1)?,
            created_at: time(row, 2)?,
            claim_by: time(row, 3)?,
            claim: optional(row, 4, claim)?,
        };
        let public = PublicToken::parse(&row.text(0)?)
            .map_err(|error| Fault::Damaged(format!("a row of {NAME}: {error}")))?;
        Ok(RowChange::PutAccessToken(public, token))
    },
};

pub(super) fn token<'a>(public: &PublicToken, row: &'a AccessToken) -> Vec<Cell<'a>> {
    let claim = row.claim.as_ref();
    vec![
        Cell::owned(public.to_string()),
        Cell::text(&row.owner),
        Cell::time(row.created_at),
        Cell::time(row.claim_by),
        Cell::maybe(claim.map(|claim| Cell::bytes(claim.secret_digest.as_bytes()))),
        Cell::maybe(claim.map(|claim| Cell::time(claim.claimed_at))),
        Cell::maybe(claim.map(|claim| Cell::time(claim.expires_at))),
    ]
}

fn claim(row: &dyn ReadRow, column: usize) -> Result<TokenClaim, Fault> {
    Ok(TokenClaim {
        secret_digest: SecretDigest::from_bytes(array(row, column, NAME)?),
        claimed_at: time(row, column + 1)?,
        expires_at: time(row, column + 2)?,
    })
}
