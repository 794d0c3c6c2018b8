//! How plans are kept: registered with their recovery, and read again by whoever leads next, perhaps of a newer release.

use super::{DataLoss, EndOfRecovery, Plan, Progress, StepState};
use crate::decided::codec::Stored;

impl Stored for Plan {
    const NAME: &'static str = "plan";
    const FORMAT: u8 = 1;
}

impl Stored for StepState {
    const NAME: &'static str = "state of a step";
    const FORMAT: u8 = 1;
}

impl Stored for Progress {
    const NAME: &'static str = "progress of a recovery";
    const FORMAT: u8 = 1;
}

impl Stored for EndOfRecovery {
    const NAME: &'static str = "end of a recovery";
    const FORMAT: u8 = 1;
}

impl Stored for DataLoss {
    const NAME: &'static str = "statement about data loss";
    const FORMAT: u8 = 1;
}
