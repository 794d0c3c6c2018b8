use crate::domain::{ReplicationLink, ThreadState};
use crate::legacy::codes;

/// Errors of a receiver that say: nobody answers there. Client errors 2002 (socket), 2003 (connect), 2005 (unknown
/// host), 2006 (gone away), 2013 and 2055 (lost), and 1053, with which a server says good-bye.
const NOBODY_ANSWERS: [u32; 7] = [2002, 2003, 2005, 2006, 2013, 2055, 1053];

/// Errors with which a server that is up refuses a receiver: 1040 too many connections, 1045 wrong password, 1129 and
/// 1130 host blocked or not allowed, 1203 and 1226 limits of the account, 1862 and 3118 expired or locked account,
/// 2026 TLS.
const REFUSED: [u32; 9] = [1040, 1045, 1129, 1130, 1203, 1226, 1862, 3118, 2026];

/// What the receiver of a replica says about its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// It is connected: the source lives, as far as it knows. A silent source is noticed only after
    /// `replica_net_timeout`.
    Receiving,
    /// Nobody answers it.
    CutOff,
    /// It says nothing of value: stopped by somebody, stopped by an error of its own, or refused by a server that was
    /// up when it last tried.
    Abstains,
}

impl Vote {
    /// By the state of the receiver and its last error.
    pub fn of(link: &ReplicationLink) -> Self {
        match (link.receiver, link.receiver_errno) {
            (ThreadState::Running, _) => Self::Receiving,
            (_, errno) if NOBODY_ANSWERS.contains(&errno) => Self::CutOff,
            // It has lost its source and has not got an error for trying again yet.
            (ThreadState::Other, 0) => Self::CutOff,
            (ThreadState::Stopped, 0) if codes::is_connection_error(&link.receiver_error) => {
                Self::CutOff
            }
            _ => Self::Abstains,
        }
    }
}

/// Whether the receiver of `link` cannot connect, refused or unanswered, while its applier runs.
pub(super) fn is_failing_to_connect(link: &ReplicationLink) -> bool {
    if link.receiver.is_running() || !link.applier.is_running() {
        return false;
    }
    let errno = link.receiver_errno;
    NOBODY_ANSWERS.contains(&errno)
        || REFUSED.contains(&errno)
        || (errno == 0 && codes::is_connection_error(&link.receiver_error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{InstanceKey, Timestamp};
    use crate::topology::drawing::Drawing;

    fn link(words: &str) -> ReplicationLink {
        let text = format!("a\n+ b [{words}]");
        let drawing = Drawing::parse(&text, Timestamp::from_seconds(1)).expect("a drawing");
        let key = InstanceKey::parse("b", 3306).expect("a key");
        let seen = drawing.picture.observation(&key).expect("b was seen");
        seen.replication.clone().expect("b has a link")
    }

    #[test]
    fn a_receiver_votes_by_its_state_and_error() {
        for (words, vote) in [
            ("io=yes", Vote::Receiving),
            ("io=yes io-errno=2003", Vote::Receiving),
            ("io=connecting", Vote::CutOff),
            ("io=connecting io-errno=0 io-error=\"\"", Vote::CutOff),
            ("io=connecting io-errno=2013", Vote::CutOff),
            ("io=connecting io-errno=1053", Vote::CutOff),
            ("io=connecting io-errno=1040", Vote::Abstains),
            ("io=connecting io-errno=1045", Vote::Abstains),
            ("io=connecting io-errno=1129", Vote::Abstains),
            ("io=no", Vote::Abstains),
            ("io=no io-errno=1236", Vote::Abstains),
            ("io=no io-errno=2003", Vote::CutOff),
            (
                "io=no io-error=\"error connecting to master 'r@a:3306'\"",
                Vote::CutOff,
            ),
            (
                "io=no io-error=\"Error reconnecting to source\"",
                Vote::CutOff,
            ),
            (
                "io=no io-error=\"Got fatal error from source\"",
                Vote::Abstains,
            ),
            (
                "io=no io-errno=1236 io-error=\"error connecting to source\"",
                Vote::Abstains,
            ),
            ("io=connecting sql=no", Vote::CutOff),
        ] {
            assert_eq!(Vote::of(&link(words)), vote, "{words}");
        }
    }

    #[test]
    fn failing_to_connect_needs_a_running_applier_and_a_connection_error() {
        for (words, expected) in [
            ("io=yes", false),
            ("io=no", false),
            ("io=no io-errno=1236", false),
            ("io=connecting", true),
            ("io=connecting io-errno=1045", true),
            ("io=connecting sql=no", false),
            (
                "io=no io-error=\"error connecting to master 'r@a:3306'\"",
                true,
            ),
            (
                "io=no io-errno=1236 io-error=\"error connecting to source\"",
                false,
            ),
            ("io=yes io-errno=2003", false),
        ] {
            assert_eq!(is_failing_to_connect(&link(words)), expected, "{words}");
        }
    }
}
