//! The process that we are: its words, environment, user and output. The only file that touches them.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

/// A settings file is a few lines; more than this is another file by mistake.
const MAX_PROFILE_BYTES: u64 = 1 << 20;

/// Who is running, and how it was called.
pub struct Process {
    /// Name of the program as it was called, without folders.
    pub program: String,
    /// The words after it.
    pub words: Vec<String>,
    /// The inherited environment.
    pub environment: BTreeMap<String, String>,
}

impl Process {
    /// Reads them once. Text that is not UTF-8 has its bad bytes replaced: no name or password of ours can hold such.
    pub fn current() -> Process {
        let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        let called = words.next().unwrap_or_default();
        let name = Path::new(&called)
            .file_name()
            .map(|name| name.to_string_lossy());
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Process {
            program: name.map_or_else(|| "orchestrator-client".to_owned(), |name| name.into()),
            words: words.collect(),
            environment: std::env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        }
    }

    /// The name of the effective user as `whoami` prints it, which also knows users that are not in local files; where there
    /// is no `whoami`, what the environment says.
    pub fn user(&self) -> Option<String> {
        #[allow(
            clippy::disallowed_methods,
            reason = "this is the client's only adapter to processes"
        )]
        let output = std::process::Command::new("whoami").output();
        let named = output
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let variable = |name: &str| self.environment.get(name).cloned();
        [named, variable("LOGNAME"), variable("USER")]
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty())
    }

    /// One line on standard error, in the predecessor's form.
    pub fn complain(&self, message: &str) {
        let line = format!("{}[{}]: {message}\n", self.program, std::process::id());
        print_error(&line);
    }
}

/// Text on standard error. When even that cannot be written, there is nobody left to tell.
pub fn print_error(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Text on standard output.
///
/// # Errors
/// When it cannot be written. A reader that went away, as `head` does, has all it wants and is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// The text of the settings file; `None` when there is no regular file of that name.
///
/// # Errors
/// When there is one and it cannot be read.
pub fn read_profile(path: &Path) -> io::Result<Option<String>> {
    if !path.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(MAX_PROFILE_BYTES)
        .read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
