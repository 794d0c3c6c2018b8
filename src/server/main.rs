//! The orchestrator binary.

use std::process::ExitCode;

/// Near a fifth of the time of a busy leader went into the system's allocator (docs/figures.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    orchestrator::node::main()
}
