//! `orchestrator-client`: the API of orchestrator as commands for the shell.
//!
//! It has the interface of the predecessor's bash client: names, options, output and exit codes. It keeps no state and
//! knows nothing of MySQL: each command is one API call (`commands`), one filter over the answer (`filters`), and the
//! choice of a host (`http`). Start reading in `app`.

mod app;
mod args;
mod commands;
mod encode;
mod endpoint;
mod failure;
mod filters;
mod help;
mod http;
mod instance;
mod process;
mod profile;
mod reply;
mod settings;
mod text;

use std::process::ExitCode;

use process::Process;

fn main() -> ExitCode {
    http::install_provider();
    let process = Process::current();
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&process, 1, &format!("The client cannot start: {error}")),
    };
    let outcome = runtime.block_on(app::run(&process));
    // A name that is still being resolved is nobody's business any more.
    runtime.shutdown_background();
    match outcome {
        Ok(output) => finish(&process, &output),
        Err(failure) => fail(&process, failure.exit_code(), &failure.sentence()),
    }
}

fn finish(process: &Process, output: &app::Output) -> ExitCode {
    process::print_error(&output.stderr);
    match process::print(&output.stdout) {
        Ok(()) => ExitCode::from(output.code),
        Err(error) => fail(
            process,
            1,
            &format!("The output cannot be written: {error}"),
        ),
    }
}

fn fail(process: &Process, code: u8, message: &str) -> ExitCode {
    process.complain(message);
    ExitCode::from(code)
}
