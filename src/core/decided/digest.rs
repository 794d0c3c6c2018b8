use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{Decided, codec};

/// Says which way of reckoning it is, so that two releases with different ways never seem to agree or to differ.
const DOMAIN: &[u8] = b"orchestrator decided state, digest 1";

/// Bytes of the length of a row.
const LENGTH: usize = 8;

/// Rows are gathered to about so many bytes: a hundred thousand of them are made into a digest each second.
const HASHED_AT_ONCE: usize = 16 * 1024;

/// A fingerprint of decided state: nodes with the same applied index must have the same one.
///
/// It is SHA-256 over: the text above; the applied index and the time of decided state, each as eight bytes, little
/// endian; then every row in the order of [`Decided::rows`], as the length (eight bytes, little endian) and bytes of
/// the [`super::RowChange`] that writes it. The variant of that change names the table; tables and keys are walked in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The fingerprint of `state`.
    pub fn of(state: &Decided) -> Self {
        Self::of_each(state, |_| {})
    }

    /// The same; `see` gets the bytes of each row, in order.
    pub(super) fn of_each(state: &Decided, mut see: impl FnMut(&[u8])) -> Self {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(state.applied_index.to_le_bytes());
        hash.update(state.decided_at.as_micros().to_le_bytes());
        let mut bytes = Vec::with_capacity(2 * HASHED_AT_ONCE);
        for row in state.rows() {
            let length_at = bytes.len();
            bytes.extend_from_slice(&[0; LENGTH]);
            let row_at = bytes.len();
            codec::encode_into(&row, &mut bytes).expect("a row that is in memory was stored once");
            see(&bytes[row_at..]);
            let length = (bytes.len() - row_at) as u64;
            bytes[length_at..row_at].copy_from_slice(&length.to_le_bytes());
            if bytes.len() >= HASHED_AT_ONCE {
                hash.update(&bytes);
                bytes.clear();
            }
        }
        hash.update(&bytes);
        Self(hash.finalize().into())
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::decided::RowChange;
    use crate::domain::{
        AccessToken, Candidate, ClusterAlias, Downtime, Import, ImportPosition, InstanceKey,
        MovedAlias, PromotionRule, PublicToken, RecoveryId, SecretDigest, Timestamp, TokenClaim,
    };

    fn key(text: &str) -> InstanceKey {
        InstanceKey::parse(text, 3306).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn downtime() -> Downtime {
        Downtime {
            owner: "ann".to_owned(),
            reason: "disk".to_owned(),
            begins_at: at(1),
            ends_at: at(2),
        }
    }

    fn candidate() -> Candidate {
        Candidate {
            rule: PromotionRule::Prefer,
            registered_at: at(1),
            expires_at: at(2),
        }
    }

    fn public(number: u8) -> PublicToken {
        PublicToken::from_bytes([number; 32])
    }

    fn token(digest: u8) -> AccessToken {
        AccessToken {
            owner: "ann".to_owned(),
            created_at: at(1),
            claim_by: at(2),
            claim: Some(TokenClaim {
                secret_digest: SecretDigest::from_bytes([digest; 32]),
                claimed_at: at(1),
                expires_at: at(2),
            }),
        }
    }

    /// A token with one thing changed.
    fn token_with(change: impl FnOnce(&mut AccessToken, &mut TokenClaim)) -> AccessToken {
        let mut row = token(7);
        let mut claim = row.claim.clone().unwrap();
        change(&mut row, &mut claim);
        row.claim = Some(claim);
        row
    }

    fn alias() -> ClusterAlias {
        ClusterAlias {
            alias: "shop".to_owned(),
            set_by: Some("ann".to_owned()),
            at: at(1),
            moved: Some(MovedAlias {
                from: "c".to_owned(),
                recovery: RecoveryId::from_number(1),
            }),
        }
    }

    /// An alias with one thing changed.
    fn alias_with(change: impl FnOnce(&mut ClusterAlias)) -> ClusterAlias {
        let mut row = alias();
        change(&mut row);
        row
    }

    fn moved(row: &mut ClusterAlias) -> &mut MovedAlias {
        row.moved.as_mut().unwrap()
    }

    fn import() -> Import {
        Import {
            source: "s".to_owned(),
            node: "n".to_owned(),
            begun_at: at(1),
            through: Some(ImportPosition {
                kind: 1,
                key: "k".to_owned(),
            }),
            taken: 1,
            kept: 1,
            ended_at: Some(at(2)),
        }
    }

    /// That an import was made, with one thing changed.
    fn import_with(change: impl FnOnce(&mut Import)) -> RowChange {
        let mut row = import();
        change(&mut row);
        RowChange::PutImport(row)
    }

    fn state(index: u64, decided_at: i64, rows: &[RowChange]) -> Decided {
        Decided::from_rows(index, at(decided_at), rows)
    }

    #[test]
    fn every_table_and_every_field_changes_the_digest() {
        let put_downtime = |key, row| RowChange::PutDowntime(key, row);
        let put_candidate = |key, row| RowChange::PutCandidate(key, row);
        let put_alias = |name: &str, row| RowChange::PutClusterAlias(name.to_owned(), row);
        let put_token = |number, row| RowChange::PutAccessToken(public(number), row);
        let states = [
            state(0, 0, &[]),
            state(1, 0, &[]),
            state(0, 1, &[]),
            state(0, 0, &[put_downtime(key("a"), downtime())]),
            state(0, 0, &[put_downtime(key("b"), downtime())]),
            state(0, 0, &[put_downtime(key("a:3307"), downtime())]),
            state(
                0,
                0,
                &[put_downtime(
                    key("a"),
                    Downtime {
                        owner: "bob".to_owned(),
                        ..downtime()
                    },
                )],
            ),
            state(
                0,
                0,
                &[put_downtime(
                    key("a"),
                    Downtime {
                        reason: "net".to_owned(),
                        ..downtime()
                    },
                )],
            ),
            state(
                0,
                0,
                &[put_downtime(
                    key("a"),
                    Downtime {
                        begins_at: at(0),
                        ..downtime()
                    },
                )],
            ),
            state(
                0,
                0,
                &[put_downtime(
                    key("a"),
                    Downtime {
                        ends_at: at(3),
                        ..downtime()
                    },
                )],
            ),
            state(0, 0, &[put_candidate(key("a"), candidate())]),
            state(0, 0, &[put_candidate(key("b"), candidate())]),
            state(
                0,
                0,
                &[put_candidate(
                    key("a"),
                    Candidate {
                        rule: PromotionRule::MustNot,
                        ..candidate()
                    },
                )],
            ),
            state(
                0,
                0,
                &[put_candidate(
                    key("a"),
                    Candidate {
                        registered_at: at(0),
                        ..candidate()
                    },
                )],
            ),
            state(
                0,
                0,
                &[put_candidate(
                    key("a"),
                    Candidate {
                        expires_at: at(3),
                        ..candidate()
                    },
                )],
            ),
            state(0, 0, &[RowChange::PutForgotten(key("a"), at(1))]),
            state(0, 0, &[RowChange::PutForgotten(key("b"), at(1))]),
            state(0, 0, &[RowChange::PutForgotten(key("a"), at(2))]),
            state(0, 0, &[put_alias("a", alias())]),
            state(0, 0, &[put_alias("b", alias())]),
            state(
                0,
                0,
                &[put_alias("a", alias_with(|row| row.alias.push('2')))],
            ),
            state(0, 0, &[put_alias("a", alias_with(|row| row.set_by = None))]),
            state(0, 0, &[put_alias("a", alias_with(|row| row.at = at(2)))]),
            state(0, 0, &[put_alias("a", alias_with(|row| row.moved = None))]),
            state(
                0,
                0,
                &[put_alias("a", alias_with(|row| moved(row).from.push('2')))],
            ),
            state(
                0,
                0,
                &[put_alias(
                    "a",
                    alias_with(|row| moved(row).recovery = RecoveryId::from_number(2)),
                )],
            ),
            state(0, 0, &[RowChange::PutImport(import())]),
            state(0, 0, &[import_with(|row| row.source.push('2'))]),
            state(0, 0, &[import_with(|row| row.node.push('2'))]),
            state(0, 0, &[import_with(|row| row.begun_at = at(2))]),
            state(0, 0, &[import_with(|row| row.through = None)]),
            state(0, 0, &[import_with(|row| row.taken = 2)]),
            state(0, 0, &[import_with(|row| row.kept = 2)]),
            state(0, 0, &[import_with(|row| row.ended_at = None)]),
            state(0, 0, &[put_token(1, token(7))]),
            state(0, 0, &[put_token(2, token(7))]),
            state(0, 0, &[put_token(1, token(8))]),
            state(
                0,
                0,
                &[put_token(
                    1,
                    AccessToken {
                        claim: None,
                        ..token(7)
                    },
                )],
            ),
            state(
                0,
                0,
                &[put_token(
                    1,
                    token_with(|row, _| row.owner = "bob".to_owned()),
                )],
            ),
            state(
                0,
                0,
                &[put_token(1, token_with(|row, _| row.created_at = at(0)))],
            ),
            state(
                0,
                0,
                &[put_token(1, token_with(|row, _| row.claim_by = at(3)))],
            ),
            state(
                0,
                0,
                &[put_token(
                    1,
                    token_with(|_, claim| claim.claimed_at = at(0)),
                )],
            ),
            state(
                0,
                0,
                &[put_token(
                    1,
                    token_with(|_, claim| claim.expires_at = at(3)),
                )],
            ),
        ];
        let digests: BTreeSet<String> = states.iter().map(|s| Digest::of(s).to_string()).collect();
        assert_eq!(digests.len(), states.len());
    }

    #[test]
    fn the_order_in_which_rows_came_does_not_matter() {
        let rows = [
            RowChange::PutForgotten(key("b"), at(1)),
            RowChange::PutForgotten(key("a"), at(1)),
            RowChange::PutDowntime(key("z"), downtime()),
        ];
        let mut reversed = rows.clone();
        reversed.reverse();
        assert_eq!(
            Digest::of(&state(3, 3, &rows)),
            Digest::of(&state(3, 3, &reversed))
        );
    }

    #[test]
    fn the_digest_of_a_known_state_is_the_same_in_every_release() {
        let rows = [
            RowChange::PutDowntime(key("a"), downtime()),
            RowChange::PutCandidate(key("a"), candidate()),
            RowChange::PutForgotten(key("a"), at(1)),
        ];
        assert_eq!(
            Digest::of(&state(3, 9, &rows)).to_string(),
            "7f7d63805a65a773e34e56aa945654056029a82924f3fdcd2d7c028dd0a7cda7"
        );
        let with_token = [
            rows.as_slice(),
            &[RowChange::PutAccessToken(public(1), token(7))],
        ]
        .concat();
        assert_eq!(
            Digest::of(&state(3, 9, &with_token)).to_string(),
            "9c6545099dda273784ae50d6f6f4fae65d3643bcb7ccfb089afa5e71206f195f"
        );
    }
}
