//! Users and passwords that come from elsewhere: credentials files first, then the environment; and the modes of files
//! that must stay private.

use std::path::{Path, PathBuf};

use super::credentials;
use super::environment;
use super::problem::{ProblemKind, WarningKind};
use super::report::Report;
use super::settings::StoreSettings;
use super::source::{FILE_BYTES_MAX, Source};
use super::values::Values;

/// Permission bits that let every user of the machine read, write or (for a directory) enter.
const OTHERS: u32 = 0o007;

/// Passwords in which `${NAME}` stands for an environment variable. Only these, because in any other value the
/// predecessor took the text as it is.
const FROM_ENVIRONMENT: &[&str] = &["MySQLTopologyPassword", "MySQLOrchestratorPassword"];

/// The same where there may be several.
const SEVERAL_FROM_ENVIRONMENT: &[&str] = &["RaftSharedSecret"];

/// Files that keys name and that must be readable.
const CERTIFICATES: &[&str] = &[
    "SSLCertFile",
    "SSLCAFile",
    "MySQLTopologySSLCertFile",
    "MySQLTopologySSLCAFile",
    "MySQLOrchestratorSSLCertFile",
    "MySQLOrchestratorSSLCAFile",
];

/// Files that keys name and that must be readable by few.
const PRIVATE_KEYS: &[&str] = &[
    "SSLPrivateKeyFile",
    "MySQLTopologySSLPrivateKeyFile",
    "MySQLOrchestratorSSLPrivateKeyFile",
];

/// Of those what belongs to a store on a MySQL server.
const OF_MYSQL_STORE: &str = "MySQLOrchestrator";

/// A credentials file, and the keys that it sets.
struct CredentialsKeys {
    file: &'static str,
    user: &'static str,
    password: &'static str,
}

const TOPOLOGY_CREDENTIALS: CredentialsKeys = CredentialsKeys {
    file: "MySQLTopologyCredentialsConfigFile",
    user: "MySQLTopologyUser",
    password: "MySQLTopologyPassword",
};

const STORE_CREDENTIALS: CredentialsKeys = CredentialsKeys {
    file: "MySQLOrchestratorCredentialsConfigFile",
    user: "MySQLOrchestratorUser",
    password: "MySQLOrchestratorPassword",
};

/// Fills in what files and environment hold, and checks the files that other modules will open.
pub(super) fn fill_in(values: &mut Values, report: &mut Report, source: &dyn Source) {
    // Files of a store that is not used may be gone.
    let has_mysql_store = StoreSettings::key_asking_for_mysql(values).is_some();
    read_credentials(values, report, source, &TOPOLOGY_CREDENTIALS);
    if has_mysql_store {
        read_credentials(values, report, source, &STORE_CREDENTIALS);
    }
    for name in FROM_ENVIRONMENT {
        expand(values, report, source, name);
    }
    for name in SEVERAL_FROM_ENVIRONMENT {
        expand_several(values, report, source, name);
    }
    let is_used = |name: &&&str| has_mysql_store || !name.starts_with(OF_MYSQL_STORE);
    for name in CERTIFICATES.iter().filter(is_used) {
        if let Some(path) = values.path(name) {
            check_mode(values, report, source, name, &path, 0);
        }
    }
    for name in PRIVATE_KEYS.iter().filter(is_used) {
        if let Some(path) = values.path(name) {
            check_mode(values, report, source, name, &path, OTHERS);
        }
    }
}

fn read_credentials(
    values: &mut Values,
    report: &mut Report,
    source: &dyn Source,
    keys: &CredentialsKeys,
) {
    let Some(path) = values.path(keys.file) else {
        return;
    };
    if !check_mode(values, report, source, keys.file, &path, OTHERS) {
        return;
    }
    match source.read(&path) {
        Err(error) => report.key_problem(values, keys.file, unreadable(path, &error)),
        Ok(content) if content.len() as u64 > FILE_BYTES_MAX => {
            let reason = format!("it is larger than {FILE_BYTES_MAX} bytes");
            report.key_problem(
                values,
                keys.file,
                ProblemKind::FileUnreadable { path, reason },
            );
        }
        Ok(content) => match credentials::parse(&content) {
            Err(reason) => report.key_problem(
                values,
                keys.file,
                ProblemKind::BadCredentials { path, reason },
            ),
            Ok(found) => take_credentials(values, report, keys, path, found),
        },
    }
}

fn take_credentials(
    values: &mut Values,
    report: &mut Report,
    keys: &CredentialsKeys,
    path: PathBuf,
    found: credentials::Credentials,
) {
    if let Some(user) = found.user {
        values.set_text(keys.user, user, Some(&path));
    }
    if let Some(password) = found.password {
        values.set_text(keys.password, password.expose().to_owned(), Some(&path));
    }
    if !found.ignored.is_empty() {
        report.key_warning(
            values,
            keys.file,
            WarningKind::CredentialsIgnored {
                path,
                ignored: found.ignored.join(", "),
            },
        );
    }
}

fn expand(values: &mut Values, report: &mut Report, source: &dyn Source, name: &'static str) {
    let text = values.text(name);
    let file = values.file(name).map(Path::to_owned);
    if let Some(content) = expanded(&text, file.as_deref(), report, source, name) {
        values.set_text(name, content, file.as_deref());
    }
}

fn expand_several(
    values: &mut Values,
    report: &mut Report,
    source: &dyn Source,
    name: &'static str,
) {
    let file = values.file(name).map(Path::to_owned);
    let all = values.texts(name).into_iter();
    let all =
        all.map(|text| expanded(&text, file.as_deref(), report, source, name).unwrap_or(text));
    let all: Vec<String> = all.filter(|text| !text.is_empty()).collect();
    if values.is_set(name) {
        values.set_texts(name, all, file.as_deref());
    }
}

/// What the environment has where `text` names a variable.
fn expanded(
    text: &str,
    file: Option<&Path>,
    report: &mut Report,
    source: &dyn Source,
    name: &'static str,
) -> Option<String> {
    let variable = environment::variable_in(text)?;
    Some(source.variable(variable).unwrap_or_else(|| {
        report.warning(
            file,
            name,
            WarningKind::UnsetVariable {
                variable: variable.to_owned(),
            },
        );
        String::new()
    }))
}

/// Whether the file is there and none of the `forbidden` bits is set; reports it otherwise.
fn check_mode(
    values: &Values,
    report: &mut Report,
    source: &dyn Source,
    key: &str,
    path: &Path,
    forbidden: u32,
) -> bool {
    match source.mode(path) {
        Ok(mode) if mode & forbidden != 0 => {
            report.key_problem(
                values,
                key,
                ProblemKind::OpenToOthers {
                    path: path.to_owned(),
                    mode,
                },
            );
            false
        }
        Ok(_) => true,
        Err(error) => {
            report.key_problem(values, key, unreadable(path.to_owned(), &error));
            false
        }
    }
}

fn unreadable(path: PathBuf, error: &std::io::Error) -> ProblemKind {
    ProblemKind::FileUnreadable {
        path,
        reason: error.to_string(),
    }
}
