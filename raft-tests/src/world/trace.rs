use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happened in a simulated run, as lines. Two runs of one seed must give the same, byte for byte. Clones share it.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    /// Adds a line.
    pub fn line(&self, now: Duration, text: &str) {
        let mut lines = self.0.lock().expect("no test panics while it writes here");
        lines.push(format!("{:9.3} {text}", now.as_secs_f64()));
    }

    /// All lines.
    pub fn text(&self) -> String {
        self.0.lock().expect("as above").join("\n")
    }

    /// The last `count` lines.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.0.lock().expect("as above");
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}
