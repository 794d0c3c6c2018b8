use std::fmt;
use std::io::Write;

use orchestrator_core::domain::Timestamp;
use serde::{Serialize, Serializer};

use crate::api::json::Put;

/// A moment as `2026-11-21T09:25:42Z`: stored times, as the predecessor shows them over SQLite.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339(pub Timestamp);

/// A moment as `2026-11-21 09:30:11`, in UTC: computed times.
#[derive(Clone, Copy, Debug)]
pub struct SpaceSeparated(pub Timestamp);

/// A moment as `2026-11-21T09:25:42.123Z`: times of routes that are new with us.
#[derive(Clone, Copy, Debug)]
pub struct Fractional(pub Timestamp);

/// A moment in one of its forms; each needs no escape.
pub(super) trait Moment: fmt::Display {}

impl Moment for Rfc3339 {}
impl Moment for SpaceSeparated {}

/// Beyond the years that can be written, the nearest that can.
fn written(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or(match at.as_micros() < 0 {
        true => jiff::Timestamp::MIN,
        false => jiff::Timestamp::MAX,
    })
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SpaceSeparated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", written(self.0).strftime("%Y-%m-%d %H:%M:%S"))
    }
}

impl fmt::Display for Fractional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", written(self.0).strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Fractional {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A moment that may be missing: an empty text then.
impl<T: Moment> Put for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        if let Some(moment) = self {
            write!(out, "{moment}").expect("writing to memory cannot fail");
        }
        out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_the_three_forms_and_never_fail() {
        let at = Timestamp::from_micros(1_795_253_142_987_654);
        assert_eq!(Rfc3339(at).to_string(), "2026-11-21T09:25:42Z");
        assert_eq!(SpaceSeparated(at).to_string(), "2026-11-21 09:25:42");
        assert_eq!(Fractional(at).to_string(), "2026-11-21T09:25:42.987Z");
        let far = Rfc3339(Timestamp::from_micros(i64::MAX)).to_string();
        assert!(far.starts_with("9999-12-"), "{far}");
        let early = Rfc3339(Timestamp::from_micros(i64::MIN)).to_string();
        assert!(early.starts_with("-9999-01-"), "{early}");
    }
}
