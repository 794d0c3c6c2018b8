use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Variables of the service that hooks get: what commands need to be found and to speak properly, and the proxies through
/// which they reach the outside. The rest may hold secrets of the service and stays with it.
const INHERITED: [&str; 21] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "HOSTNAME",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_RUNTIME_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// `PATH` of hooks where the service has none: that of a login shell of root.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How hooks are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The shell, a name or path (`ProcessesShellCommand`).
    pub shell: String,
    /// Environment that all hooks get beside their own variables; see [`inherited`].
    pub environment: Vec<(OsString, OsString)>,
    /// Where the texts are while they run.
    pub directory: PathBuf,
}

/// Of the variables of the service those that hooks get: a fixed list, every `LC_…`, and those that configuration names
/// (`ProcessesEnvironmentVariables`).
pub fn inherited(
    variables: impl Iterator<Item = (OsString, OsString)>,
    named: &[String],
) -> Vec<(OsString, OsString)> {
    let is_for_hooks = |name: &OsStr| {
        let Some(name) = name.to_str() else {
            return false;
        };
        INHERITED.contains(&name)
            || name.starts_with("LC_")
            || named.iter().any(|wanted| wanted == name)
    };
    let mut kept: Vec<_> = variables.filter(|(name, _)| is_for_hooks(name)).collect();
    if !kept.iter().any(|(name, _)| name == "PATH") {
        kept.push(("PATH".into(), DEFAULT_PATH.into()));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], named: &[&str]) -> Vec<String> {
        let variables = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let named: Vec<String> = named.iter().map(ToString::to_string).collect();
        let kept = inherited(variables, &named);
        kept.into_iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .collect()
    }

    #[test]
    fn hooks_get_what_commands_need_and_no_secrets() {
        let all = [
            ("PATH", "/bin"),
            ("HOME", "/root"),
            ("LC_ALL", "C"),
            ("https_proxy", "http://p:3128"),
            ("MYSQL_PASSWORD", "s3cret"),
            ("AWS_PROFILE", "prod"),
            ("ORC_FAILED_HOST", "forged"),
        ];
        let plain = [
            "PATH=/bin",
            "HOME=/root",
            "LC_ALL=C",
            "https_proxy=http://p:3128",
        ];
        assert_eq!(of(&all, &[]), plain);
        assert_eq!(
            of(&all, &["AWS_PROFILE", "ABSENT"]),
            [&plain[..], &["AWS_PROFILE=prod"]].concat()
        );
    }

    #[test]
    fn there_is_always_a_path() {
        assert_eq!(of(&[], &[]), [format!("PATH={DEFAULT_PATH}")]);
    }
}
