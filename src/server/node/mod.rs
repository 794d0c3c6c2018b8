//! The composition root: builds adapters, wires loops, owns start and stop.

mod system;
