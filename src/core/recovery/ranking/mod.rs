//! Who is to be promoted in the place of a dead primary: its direct replicas in one strict order, with every reason.
//!
//! [`rank`] gathers the [`Contender`]s, sets aside those that must not be promoted, each with all its [`Veto`]es, and puts
//! the others into one order: compared by one [`Criterion`] after the other, the address last, so that no two are
//! equal and the order is the same whoever computes it. Two histories are refused before anything is ordered: there, no
//! order would be right.
//!
//! [`choose`] then looks for a server that operators would rather see as primary than the most advanced one, and says
//! what it takes: to catch up from the [`Choice::head`] first.
//!
//! Nothing here asks a server. Vetoes are known before any is touched.

mod choice;
mod contender;
mod gather;
mod order;
mod rank;
#[cfg(test)]
pub(super) mod tests;
mod veto;
mod vetoes;

pub use choice::{CandidateRefused, Choice, Preference, choose, choose_named};
pub use contender::{Contender, Traits};
pub use order::{Comparison, Criterion, compare};
pub use rank::{Ranking, RankingRefused, rank};
pub use veto::Veto;
