use crate::api::json::Put;

/// A number that may be unknown: `{"Int64":0,"Valid":false}` then.
#[derive(Clone, Copy, Debug)]
pub struct NullInt64(Option<u64>);

impl From<Option<u64>> for NullInt64 {
    fn from(number: Option<u64>) -> Self {
        Self(number)
    }
}

impl Put for NullInt64 {
    fn put(&self, out: &mut Vec<u8>) {
        // Clients read it into 64 bits with a sign.
        let number = self.0.unwrap_or(0).min(i64::MAX.unsigned_abs());
        out.extend_from_slice(br#"{"Int64":"#);
        number.put(out);
        out.extend_from_slice(br#","Valid":"#);
        self.0.is_some().put(out);
        out.push(b'}');
    }
}
