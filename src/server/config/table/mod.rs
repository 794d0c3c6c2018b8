//! Every key there is: its type, default, bounds, meaning and state, one file for each section of the reference page.
//!
//! This is the only place that knows names and defaults. Facts about the predecessor's keys are those of its release
//! 3.2.6.

mod agents;
mod audit;
mod auth;
mod backend;
mod detection;
mod discovery;
mod hooks;
mod http;
mod kv;
mod lag;
mod metrics;
mod naming;
mod pools;
mod pseudo_gtid;
mod raft;
mod recovery;
mod removed;
mod service;
mod store;
mod tls;
mod topology;

use super::key::Key;

/// Keys that belong together on the reference page.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Heading.
    pub title: &'static str,
    /// What the keys are about, a sentence or two.
    pub about: &'static str,
    /// The rows.
    pub keys: &'static [Key],
}

/// All sections, in the order of the reference page.
pub const SECTIONS: &[Section] = &[
    service::SECTION,
    http::SECTION,
    tls::SECTION,
    auth::SECTION,
    topology::SECTION,
    store::SECTION,
    discovery::SECTION,
    naming::SECTION,
    detection::SECTION,
    lag::SECTION,
    audit::SECTION,
    recovery::SECTION,
    hooks::SECTION,
    raft::SECTION,
    backend::SECTION,
    kv::SECTION,
    pools::SECTION,
    pseudo_gtid::SECTION,
    metrics::SECTION,
    agents::SECTION,
    removed::SECTION,
];

/// All keys, in the order of the reference page.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// The key that is written `name`, ignoring case as the predecessor did.
pub fn find(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::key::{Kind, State};
    use super::*;

    #[test]
    fn every_key_of_the_predecessor_and_every_new_one_has_one_row() {
        let names: BTreeSet<_> = keys().map(|key| key.name.to_ascii_lowercase()).collect();
        assert_eq!(names.len(), keys().count(), "no name twice");
        assert_eq!(
            keys().filter(|key| !key.is_new).count(),
            208,
            "the predecessor's keys, retired ones included"
        );
        assert_eq!(keys().filter(|key| key.is_new).count(), 23, "new keys");
    }

    #[test]
    fn every_row_is_complete() {
        for key in keys() {
            assert!(
                key.meaning.ends_with(['.', ')']) && key.meaning.len() > 4,
                "{}: a sentence",
                key.name
            );
            assert!(
                key.note.is_empty() || key.note.ends_with('.'),
                "{}: the note is a sentence",
                key.name
            );
            let needs_note = matches!(
                key.state,
                State::Restricts | State::NotCarriedOver | State::Removed
            );
            assert!(
                !needs_note || !key.note.is_empty(),
                "{}: the state needs a note",
                key.name
            );
            if let Kind::Integer { default, min, max } = key.kind {
                assert!(
                    (min..=max).contains(&default),
                    "{}: the default is within the bounds",
                    key.name
                );
            }
            if let Some(newer) = key.old_name_of {
                assert!(find(newer).is_some(), "{}: {newer} exists", key.name);
            }
        }
    }

    #[test]
    fn names_match_in_any_case() {
        assert_eq!(
            find("instancepollSECONDS").map(|key| key.name),
            Some("InstancePollSeconds")
        );
        assert!(find("InstancePollSecond").is_none());
    }
}
