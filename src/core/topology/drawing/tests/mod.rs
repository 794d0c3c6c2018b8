use super::{Drawing, DrawingError};
use crate::domain::{InstanceKey, Observation, Timestamp};

mod manual;
mod properties;
mod reading;
mod refusals;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

fn parse(text: &str) -> Result<Drawing, DrawingError> {
    Drawing::parse(text, NOW)
}

fn drawn(text: &str) -> Drawing {
    parse(text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).expect("a key")
}

fn seen(drawing: &Drawing, name: &str) -> Observation {
    let seen = drawing.picture.observation(&key(name));
    seen.unwrap_or_else(|| panic!("{name} was seen"))
        .as_ref()
        .clone()
}
