use std::time::Duration;

use super::*;
use crate::decided::{Applied, Command, Origin, Proposal, Reply, apply, is_anything_due};

const NOON: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn after(seconds: u64) -> Timestamp {
    NOON.plus(Duration::from_secs(seconds))
}

fn public(number: u16) -> PublicToken {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    PublicToken::from_bytes(bytes)
}

const DIGEST: SecretDigest = SecretDigest::from_bytes([9; 32]);
const OTHER: SecretDigest = SecretDigest::from_bytes([8; 32]);

fn take(state: &mut Decided, at: Timestamp, command: Command) -> Applied {
    let proposal = Proposal {
        request: 1,
        proposed_at: at,
        origin: Origin::default(),
        command,
    };
    let applied = apply(state, &proposal);
    let index = state.applied_index + 1;
    state.absorb(index, applied.decided_at, &applied.changes);
    applied
}

fn made(number: u16) -> Command {
    Command::CreateAccessToken {
        public: public(number),
        owner: "ann".to_owned(),
        claim_by: after(60),
    }
}

fn claimed(number: u16, digest: SecretDigest, expires_at: Timestamp) -> Command {
    Command::ClaimAccessToken {
        public: public(number),
        secret_digest: digest,
        expires_at,
    }
}

/// Takes a command that is refused, and sees that nothing changed.
fn refusal(state: &mut Decided, at: Timestamp, command: Command) -> Refusal {
    let before = state.access_tokens.clone();
    let applied = take(state, at, command);
    assert_eq!((applied.changes, applied.effects), (vec![], vec![]));
    assert_eq!(state.access_tokens, before);
    match applied.reply {
        Reply::Refused(why) => why,
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn a_token_is_worth_something_from_its_claim_to_its_end() {
    let mut state = Decided::default();
    assert_eq!(take(&mut state, NOON, made(1)).reply, Reply::Done);
    assert_eq!(state.claimed_token_at(&public(1), after(1)), None);
    assert_eq!(state.check_claim(&public(1), after(10)), Ok(()));
    let claim = claimed(1, DIGEST, after(3600));
    assert_eq!(take(&mut state, after(10), claim).reply, Reply::Done);
    let (token, claim) = state.claimed_token_at(&public(1), after(3599)).unwrap();
    assert_eq!((token.owner.as_str(), token.created_at), ("ann", NOON));
    assert_eq!(
        (claim.secret_digest, claim.claimed_at, claim.expires_at),
        (DIGEST, after(10), after(3600))
    );
    assert_eq!(state.claimed_token_at(&public(1), after(3600)), None);
    assert_eq!(state.claimed_token_at(&public(2), after(11)), None);
}

#[test]
fn a_token_is_claimed_once_in_time_and_only_when_it_exists() {
    let mut state = Decided::default();
    let claim = |digest| claimed(1, digest, after(3600));
    let unknown = refusal(&mut state, NOON, claim(DIGEST));
    assert_eq!(unknown, Refusal::UnknownToken);
    take(&mut state, NOON, made(1));
    take(&mut state, NOON, made(2));
    take(&mut state, after(59), claim(DIGEST));
    let again = refusal(&mut state, after(59), claim(OTHER));
    assert_eq!(again, Refusal::TokenIsClaimed);
    // Also after the time for claiming is over the answer is that somebody else has it.
    let later = refusal(&mut state, after(61), claim(OTHER));
    assert_eq!(later, Refusal::TokenIsClaimed);
    let late = refusal(&mut state, after(61), claimed(2, OTHER, after(3600)));
    assert_eq!(late, Refusal::TokenClaimTooLate);
    for (number, why) in [
        (1, Refusal::TokenIsClaimed),
        (2, Refusal::TokenClaimTooLate),
        (3, Refusal::UnknownToken),
    ] {
        assert_eq!(state.check_claim(&public(number), after(61)), Err(why));
    }
}

#[test]
fn tokens_that_are_over_before_they_begin_and_names_that_are_taken_are_refused() {
    let mut state = Decided::default();
    let over = refusal(&mut state, after(60), made(1));
    assert_eq!(over, Refusal::AlreadyOver);
    let mut state = Decided::default();
    take(&mut state, NOON, made(1));
    let taken = refusal(&mut state, NOON, made(1));
    assert_eq!(taken, Refusal::TokenExists);
    let over = refusal(&mut state, after(5), claimed(1, DIGEST, after(5)));
    assert_eq!(over, Refusal::AlreadyOver);
}

#[test]
fn so_many_tokens_wait_to_be_claimed_and_no_more() {
    let mut state = Decided::default();
    let most = u16::try_from(UNCLAIMED_MAX).unwrap();
    for number in 0..most {
        assert_eq!(take(&mut state, NOON, made(number)).reply, Reply::Done);
    }
    let refused = refusal(&mut state, NOON, made(most));
    assert_eq!(refused, Refusal::TooManyUnclaimedTokens);
    // A claimed one makes room, and so do those that nobody claimed in time.
    take(&mut state, NOON, claimed(0, DIGEST, after(3600)));
    assert_eq!(take(&mut state, NOON, made(most)).reply, Reply::Done);
    let refused = refusal(&mut state, NOON, made(most + 1));
    assert_eq!(refused, Refusal::TooManyUnclaimedTokens);
    let next = Command::CreateAccessToken {
        public: public(most + 1),
        owner: "ann".to_owned(),
        claim_by: after(120),
    };
    assert_eq!(take(&mut state, after(60), next).reply, Reply::Done);
}

#[test]
fn claimed_tokens_are_bounded_too() {
    let most = u16::try_from(TOKENS_MAX).unwrap();
    let row = |expires_at| AccessToken {
        owner: "ann".to_owned(),
        created_at: NOON,
        claim_by: after(60),
        claim: Some(TokenClaim {
            secret_digest: DIGEST,
            claimed_at: NOON,
            expires_at,
        }),
    };
    let rows: Vec<RowChange> = (0..most)
        .map(|number| RowChange::PutAccessToken(public(number), row(after(30))))
        .collect();
    let mut state = Decided::from_rows(1, NOON, &rows);
    let refused = refusal(&mut state, after(29), made(most));
    assert_eq!(refused, Refusal::TooManyTokens);
    assert_eq!(take(&mut state, after(30), made(most)).reply, Reply::Done);
}

#[test]
fn expiry_removes_what_was_not_claimed_in_time_and_what_has_lived() {
    let mut state = Decided::default();
    take(&mut state, NOON, made(1));
    take(&mut state, NOON, made(2));
    take(&mut state, NOON, claimed(2, DIGEST, after(90)));
    assert!(!is_anything_due(&state, after(59)));
    take(&mut state, after(59), Command::Expire);
    assert_eq!(state.access_tokens.len(), 2);
    let applied = take(&mut state, after(60), Command::Expire);
    assert_eq!(applied.changes, [RowChange::DeleteAccessToken(public(1))]);
    assert!(!is_anything_due(&state, after(89)));
    take(&mut state, after(90), Command::Expire);
    assert!(state.access_tokens.is_empty());
}

#[test]
fn a_clock_that_is_set_back_revives_no_token() {
    let mut state = Decided::default();
    take(&mut state, NOON, made(1));
    take(&mut state, NOON, claimed(1, DIGEST, after(90)));
    take(&mut state, after(90), made(2));
    assert_eq!(
        take(&mut state, after(90), made(3)).reply,
        Reply::Refused(Refusal::AlreadyOver)
    );
    assert_eq!(state.claimed_token_at(&public(1), NOON), None);
}
