//! The orchestrator binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    orchestrator::node::main()
}
