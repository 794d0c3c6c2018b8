//! Takes over what the predecessor decided, once: reads its tables through a port, makes rows of decided state of them (`convert`,
//! pure), and proposes these in portions (`importer`). Nothing here writes to the predecessor's tables, and nothing here decides which
//! rows count: `decided::apply` does, by the order of the log.

mod convert;
mod importer;

pub use convert::Config;
pub use importer::{Deps, Importer, Places};
