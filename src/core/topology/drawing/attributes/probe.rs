//! How probing goes, and what is decided.

use std::time::Duration;

use super::super::draft::{Draft, Scope};
use super::super::values::{quote, read_duration, write_duration};
use super::{Attribute, Misread, Needs, Said};
use crate::domain::{Candidate, Downtime, ProbeFailure, ProbeFailureKind, PromotionRule};

/// How long ago an unreachable server was last seen: two polls.
const UNSEEN_FOR: Duration = Duration::from_secs(10);
/// How long ago a drawn downtime began before it ends.
const DOWNTIME_LENGTH: Duration = Duration::from_secs(3600);
/// How long a drawn promotion rule counts.
const RULE_KEPT: Duration = Duration::from_secs(3600);
const OWNER: &str = "somebody";
const REASON: &str = "drawn";

const KINDS: [(&str, ProbeFailureKind); 9] = [
    ("refused", ProbeFailureKind::Refused),
    ("no-route", ProbeFailureKind::Unreachable),
    ("unknown-host", ProbeFailureKind::UnknownHost),
    ("timeout", ProbeFailureKind::Timeout),
    ("access-denied", ProbeFailureKind::AccessDenied),
    ("refuses-us", ProbeFailureKind::RefusesUs),
    ("tls", ProbeFailureKind::Tls),
    ("invalid-answer", ProbeFailureKind::InvalidAnswer),
    ("statement", ProbeFailureKind::Statement),
];

pub(super) const ROWS: &[Attribute] = &[
    Attribute {
        names: &["unreachable", "partial"],
        expects: "alone or with =refused, no-route, unknown-host, timeout, access-denied, refuses-us, tls, invalid-answer or statement",
        needs: Needs::Record,
        write: |draft, _| {
            let failure = draft.record.failure.as_ref()?;
            let (name, usual) = match failure.is_partial {
                true => ("partial", ProbeFailureKind::Timeout),
                false => ("unreachable", ProbeFailureKind::Refused),
            };
            Some(match failure.kind == usual {
                true => name.to_owned(),
                false => format!("{name}={}", kind_word(failure.kind)),
            })
        },
        read: read_failure,
    },
    Attribute {
        names: &["failures"],
        expects: "failures=NUMBER",
        needs: Needs::Record,
        write: |draft, _| Some(format!("failures={}", draft.record.failures_in_a_row)),
        read: |draft, _, said| {
            draft.record.failures_in_a_row = said.parsed(|text| text.parse().ok())?;
            Ok(())
        },
    },
    Attribute {
        names: &["seen"],
        expects: "seen=TIME ago, like seen=10s",
        needs: Needs::Seen,
        write: |draft, scope| {
            let at = draft.record.last_seen_at?;
            Some(format!("seen={}", write_duration(scope.now.since(at))))
        },
        read: |draft, scope, said| {
            let at = scope.now.minus(said.parsed(read_duration)?);
            draft.record.last_seen_at = Some(at);
            draft.seen.observed_at = at;
            if draft.record.failure.is_none() {
                draft.record.last_checked_at = Some(at);
            }
            Ok(())
        },
    },
    Attribute {
        names: &["checked"],
        expects: "checked=TIME ago, like checked=10s, or checked=never",
        needs: Needs::Record,
        write: |draft, scope| {
            let age = match draft.record.last_checked_at {
                Some(at) => write_duration(scope.now.since(at)),
                None => "never".to_owned(),
            };
            Some(format!("checked={age}"))
        },
        read: |draft, scope, said| {
            draft.record.last_checked_at = match said.some()? {
                "never" => None,
                _ => Some(scope.now.minus(said.parsed(read_duration)?)),
            };
            Ok(())
        },
    },
    Attribute {
        names: &["probing"],
        expects: "probing=TIME, like probing=3s",
        needs: Needs::Record,
        write: |draft, scope| {
            let at = draft.record.probing_since?;
            Some(format!("probing={}", write_duration(scope.now.since(at))))
        },
        read: |draft, scope, said| {
            draft.record.probing_since = Some(scope.now.minus(said.parsed(read_duration)?));
            Ok(())
        },
    },
    Attribute {
        names: &["stalled"],
        expects: "stalled=TIME, like stalled=12s: the end of its binary log has not moved for so long",
        needs: Needs::Seen,
        write: |draft, scope| {
            let at = draft.stalled_since?;
            Some(format!("stalled={}", write_duration(scope.now.since(at))))
        },
        read: |draft, scope, said| {
            draft.stalled_since = Some(scope.now.minus(said.parsed(read_duration)?));
            Ok(())
        },
    },
    Attribute {
        names: &["promotion"],
        expects: "promotion=prefer, neutral, prefer_not or must_not",
        needs: Needs::Record,
        write: |draft, _| Some(format!("promotion={}", draft.candidate.as_ref()?.rule)),
        read: |draft, scope, said| {
            let rule: PromotionRule = said.parsed(|text| text.parse().ok())?;
            draft.candidate = Some(Candidate {
                rule,
                registered_at: scope.now,
                expires_at: scope.now.plus(RULE_KEPT),
            });
            Ok(())
        },
    },
    Attribute {
        names: &["downtime"],
        expects: "downtime, downtime=TIME still to go, like downtime=30m, or downtime=over",
        needs: Needs::Record,
        write: |draft, scope| {
            let left = draft.downtime.as_ref()?.ends_at.since(scope.now);
            Some(match left {
                DOWNTIME_LENGTH => "downtime".to_owned(),
                Duration::ZERO => "downtime=over".to_owned(),
                _ => format!("downtime={}", write_duration(left)),
            })
        },
        read: |draft, scope, said| {
            let left = match said.value {
                None => DOWNTIME_LENGTH,
                Some("over") => Duration::ZERO,
                Some(_) => said.parsed(read_duration)?,
            };
            let ends_at = scope.now.plus(left);
            draft.downtime = Some(Downtime {
                owner: OWNER.to_owned(),
                reason: REASON.to_owned(),
                begins_at: ends_at.minus(DOWNTIME_LENGTH),
                ends_at,
            });
            Ok(())
        },
    },
    Attribute {
        names: &["downtime-owner"],
        expects: "downtime-owner=TEXT, beside downtime",
        needs: Needs::Record,
        write: |draft, _| {
            let owner = &draft.downtime.as_ref()?.owner;
            Some(format!("downtime-owner={}", quote(owner)))
        },
        read: |draft, _, said| {
            let downtime = draft.downtime.as_mut().ok_or(Misread::Value)?;
            said.some()?.clone_into(&mut downtime.owner);
            Ok(())
        },
    },
    Attribute {
        names: &["downtime-reason"],
        expects: "downtime-reason=TEXT, beside downtime",
        needs: Needs::Record,
        write: |draft, _| {
            let reason = &draft.downtime.as_ref()?.reason;
            Some(format!("downtime-reason={}", quote(reason)))
        },
        read: |draft, _, said| {
            let downtime = draft.downtime.as_mut().ok_or(Misread::Value)?;
            said.some()?.clone_into(&mut downtime.reason);
            Ok(())
        },
    },
];

fn kind_word(kind: ProbeFailureKind) -> &'static str {
    KINDS
        .iter()
        .find(|(_, known)| *known == kind)
        .map_or("refused", |(word, _)| word)
}

fn read_failure(draft: &mut Draft, scope: &Scope<'_>, said: Said<'_>) -> Result<(), Misread> {
    let is_partial = said.name == "partial";
    let kind = match said.value {
        None if is_partial => ProbeFailureKind::Timeout,
        None => ProbeFailureKind::Refused,
        Some(_) => said.parsed(|text| {
            KINDS
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, kind)| *kind)
        })?,
    };
    draft.record.failure = Some(ProbeFailure {
        kind,
        code: 0,
        message: format!("drawn as {}", kind_word(kind)),
        is_partial,
    });
    draft.record.failures_in_a_row = 1;
    draft.record.last_checked_at = Some(scope.now);
    if draft.is_seen {
        let at = scope.now.minus(UNSEEN_FOR);
        draft.record.last_seen_at = Some(at);
        draft.seen.observed_at = at;
    }
    Ok(())
}
