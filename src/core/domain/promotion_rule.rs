use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How welcome a replica is as the next primary, as operators registered it. From most to least welcome.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum PromotionRule {
    /// It has to be the one. Known to the vocabulary, refused when registering.
    Must,
    /// Rather this one.
    Prefer,
    /// Nothing was said.
    #[default]
    Neutral,
    /// Rather not this one.
    PreferNot,
    /// Never this one.
    MustNot,
}

impl PromotionRule {
    /// The word of configuration, API and client.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Prefer => "prefer",
            Self::Neutral => "neutral",
            Self::PreferNot => "prefer_not",
            Self::MustNot => "must_not",
        }
    }
}

impl fmt::Display for PromotionRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no promotion rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a promotion rule; the rules are prefer, neutral, prefer_not and must_not", .0.escape_debug())]
pub struct UnknownPromotionRule(pub String);

impl FromStr for PromotionRule {
    type Err = UnknownPromotionRule;
    fn from_str(text: &str) -> Result<Self, UnknownPromotionRule> {
        [
            Self::Must,
            Self::Prefer,
            Self::Neutral,
            Self::PreferNot,
            Self::MustNot,
        ]
        .into_iter()
        .find(|rule| rule.as_str() == text.trim())
        .ok_or_else(|| UnknownPromotionRule(text.to_owned()))
    }
}
