//! Where programs, caches and our own binaries are.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

/// Where distributions put servers; often not on the path of an ordinary user.
const SYSTEM_DIRECTORIES: [&str; 4] =
    ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];

/// The root of the repository that this crate was built in.
pub(super) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in a folder of the repository")
}

/// A program of this name on the path, or where distributions put servers.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM_DIRECTORIES.map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// The value of an environment variable, when it is set and not empty.
pub(super) fn environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The folder of compiled programs that the running test or bench belongs to, such as `target/debug`.
pub(super) fn profile_directory() -> Result<PathBuf> {
    let executable = std::env::current_exe().context("cannot tell where this test lies")?;
    // Tests lie in the folder `deps` of it, benches beside that folder.
    let profile = executable
        .ancestors()
        .skip(1)
        .find(|folder| folder.join("deps").is_dir());
    match profile {
        Some(profile) => Ok(profile.to_owned()),
        None => bail!(
            "{} does not lie in a folder that cargo builds in",
            executable.display()
        ),
    }
}

/// The folder in which things made once are kept between runs; `cargo clean` takes it away.
pub(super) fn cache_directory() -> Result<PathBuf> {
    let profile = profile_directory()?;
    let target = profile
        .parent()
        .context("cargo's profile folder has no parent")?;
    Ok(target.join("lab-cache"))
}

/// The service: `ORCHESTRATOR_BIN`, else `orchestrator` of the same build as this test.
///
/// # Errors
/// When it is not there; the sentence says how to build it.
pub fn service_binary() -> Result<PathBuf> {
    ours("orchestrator", "ORCHESTRATOR_BIN")
}

/// The client: `ORCHESTRATOR_CLIENT_BIN`, else `orchestrator-client` of the same build as this test.
///
/// # Errors
/// When it is not there; the sentence says how to build it.
pub fn client_binary() -> Result<PathBuf> {
    ours("orchestrator-client", "ORCHESTRATOR_CLIENT_BIN")
}

fn ours(name: &str, variable: &str) -> Result<PathBuf> {
    if let Some(given) = environment(variable) {
        if given.is_file() {
            return Ok(given);
        }
        bail!("{variable} names {}, which is no file", given.display());
    }
    let built = profile_directory()?.join(name);
    if built.is_file() {
        return Ok(built);
    }
    bail!(
        "{} is not built; run `cargo build --workspace` first, or name another in {variable}",
        built.display()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_the_folder_with_the_workspace_manifest() {
        let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn a_program_of_the_system_is_found_and_a_wrong_name_is_not() {
        assert!(on_path("sh").is_some());
        assert_eq!(on_path("no-such-program-here"), None);
    }

    #[test]
    fn a_binary_that_is_not_built_is_refused_with_the_command_that_builds_it() {
        let text = ours("never-built", "NO_SUCH_VARIABLE_HERE")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("never-built is not built; run `cargo build --workspace`"),
            "{text}"
        );
    }
}
