//! The API over fakes of all ports, and the tests that ask it.

mod docs;
mod errors;
mod evidence;
mod fakes;
mod instance_json;
mod shapes;
mod speed;

pub(crate) use fakes::{Answer, Service};
