//! Tests of plans: what is made of a drawing, what the checker refuses, how a plan is carried out.

mod carried_out;
mod checked;
mod demanded;
mod loss;
mod made;
mod recognised;
mod slow_stop;
mod steps;
mod stored;
mod too_soon;
mod world;

use super::{NoPlan, Plan, plan};
use crate::recovery::RecoveryPolicy;
use crate::recovery::testing::{Stage, key};

fn planned(text: &str, policy: &RecoveryPolicy) -> Result<Plan, NoPlan> {
    plan(&Stage::of(text).scene(), &key("a"), policy)
}

fn sound(text: &str) -> Plan {
    planned(text, &RecoveryPolicy::default()).unwrap_or_else(|why| panic!("{why}\n{text}"))
}
