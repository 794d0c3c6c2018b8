use std::sync::atomic::{AtomicU64, Ordering};

use orchestrator_core::ports::Ids;

/// Ids that come in the same order for the same seed (splitmix64).
#[derive(Debug)]
pub struct SeededIds(AtomicU64);

impl SeededIds {
    /// Ids of this seed.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Ids for SeededIds {
    fn unique(&self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    fn fraction(&self) -> f64 {
        // 32 bits are exact in a double.
        f64::from(u32::try_from(self.next() >> 32).expect("the high half fits")) / 4_294_967_296.0
    }
}
