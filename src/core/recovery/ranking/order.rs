use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Contender;
use crate::domain::InstanceKey;

/// By what one contender is better than another; the first that differs decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Criterion {
    /// It has received more: nothing weighs as much as data.
    Received,
    /// It has less to apply, and is writable sooner.
    Applied,
    /// Its promotion rule is more welcome.
    Rule,
    /// It is in the data centre of the dead primary, where the applications are.
    DataCenter,
    /// It is in the physical environment of the dead primary.
    Environment,
    /// Its version is one that most replicas can replicate from.
    Version,
    /// Its binary log format is one that most replicas can replicate from.
    Format,
    /// More of the others can replicate from it.
    Followers,
    /// Its address is the smaller one: all else being equal, everybody must come to the same order.
    Address,
}

impl Criterion {
    /// All, in order.
    pub const ALL: [Self; 9] = [
        Self::Received,
        Self::Applied,
        Self::Rule,
        Self::DataCenter,
        Self::Environment,
        Self::Version,
        Self::Format,
        Self::Followers,
        Self::Address,
    ];

    /// `Less` when `a` is the better one by this criterion.
    fn compare(self, a: &Contender, b: &Contender) -> Ordering {
        let yes_first = |a: bool, b: bool| b.cmp(&a);
        match self {
            Self::Received => match (&a.holdings, &b.holdings) {
                // Two histories were refused before; should one come here all the same, later criteria decide.
                (Some(a), Some(b)) => b.compare_received(a).unwrap_or(Ordering::Equal),
                (a, b) => yes_first(a.is_some(), b.is_some()),
            },
            Self::Applied => {
                let unapplied = |x: &Contender| x.holdings.as_ref().map(|it| it.unapplied());
                unapplied(a).cmp(&unapplied(b))
            }
            Self::Rule => a.rule.cmp(&b.rule),
            Self::DataCenter => yes_first(a.traits.is_in_data_center, b.traits.is_in_data_center),
            Self::Environment => yes_first(a.traits.is_in_environment, b.traits.is_in_environment),
            Self::Version => yes_first(a.traits.fits_version, b.traits.fits_version),
            Self::Format => yes_first(a.traits.fits_format, b.traits.fits_format),
            Self::Followers => b.traits.followers.cmp(&a.traits.followers),
            Self::Address => a.key.cmp(&b.key),
        }
    }
}

/// Which of two is the better one (`Less`: `a`), and by what. Never `Equal` for two different servers.
pub fn compare(a: &Contender, b: &Contender) -> (Ordering, Criterion) {
    compare_by(&Criterion::ALL, a, b)
}

/// The same by any criteria, so that a test can leave one out.
pub(super) fn compare_by(
    criteria: &[Criterion],
    a: &Contender,
    b: &Contender,
) -> (Ordering, Criterion) {
    criteria
        .iter()
        .map(|criterion| (criterion.compare(a, b), *criterion))
        .find(|(ordering, _)| ordering.is_ne())
        .unwrap_or((Ordering::Equal, Criterion::Address))
}

/// Why one contender stands before the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The one before.
    pub better: InstanceKey,
    /// The next one.
    pub worse: InstanceKey,
    /// The first criterion in which they differ.
    pub by: Criterion,
    /// The difference, for an operator.
    pub detail: String,
}

impl Comparison {
    /// Of two contenders, the better one first.
    pub(super) fn of(better: &Contender, worse: &Contender) -> Self {
        let (_, by) = compare(better, worse);
        Self {
            better: better.key.clone(),
            worse: worse.key.clone(),
            by,
            detail: detail(by, better, worse),
        }
    }
}

fn detail(by: Criterion, better: &Contender, worse: &Contender) -> String {
    let unapplied = |x: &Contender| match &x.holdings {
        Some(holdings) => holdings.unapplied().to_string(),
        None => "an unknown number of transactions".to_owned(),
    };
    match by {
        Criterion::Received => match (&better.holdings, &worse.holdings) {
            (Some(a), Some(b)) => format!("it has received more: {}", a.missing_in(b)),
            _ => "it is known what it has received".to_owned(),
        },
        Criterion::Applied => format!(
            "it has less to apply: {} against {}",
            unapplied(better),
            unapplied(worse)
        ),
        Criterion::Rule => format!(
            "its promotion rule is {}, and not {}",
            better.rule, worse.rule
        ),
        Criterion::DataCenter => "it is in the data centre of the dead primary".to_owned(),
        Criterion::Environment => {
            "it is in the physical environment of the dead primary".to_owned()
        }
        Criterion::Version => "most replicas can replicate from its version".to_owned(),
        Criterion::Format => "most replicas can replicate from its binary log format".to_owned(),
        Criterion::Followers => format!(
            "{} others can replicate from it, and not {}",
            better.traits.followers, worse.traits.followers
        ),
        Criterion::Address => "they are alike, and its address is the smaller one".to_owned(),
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} stands before {}: {}",
            self.better, self.worse, self.detail
        )
    }
}
