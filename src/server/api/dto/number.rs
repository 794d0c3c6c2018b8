use serde::Serialize;

/// A number that may be unknown: `{"Int64":0,"Valid":false}` then.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NullInt64 {
    #[serde(rename = "Int64")]
    int64: i64,
    #[serde(rename = "Valid")]
    valid: bool,
}

impl From<Option<u64>> for NullInt64 {
    fn from(number: Option<u64>) -> Self {
        Self {
            int64: number.map_or(0, |number| i64::try_from(number).unwrap_or(i64::MAX)),
            valid: number.is_some(),
        }
    }
}
