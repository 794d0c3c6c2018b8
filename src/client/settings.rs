//! What a run is told: command line over settings file over environment.
//!
//! The settings file wins over the inherited environment, because the predecessor ran it as shell code at its start.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use crate::args::{Args, Flag};
use crate::endpoint;

/// A setting that cannot be used. No text holds a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `-b` without a colon.
    #[error("the value of -b must be user:password")]
    BasicWithoutColon,
    /// `-e` or its variable is no header.
    #[error(
        "the value of -e (or ORCHESTRATOR_AUTH_USER_HEADER) must be one header, written Name:value"
    )]
    NotHeader,
    /// A key without its certificate.
    #[error(
        "ORCHESTRATOR_KEY_FILE is set but ORCHESTRATOR_CERT_FILE is not: give the certificate of that key too"
    )]
    KeyWithoutCertificate,
    /// The time limit is no number, or zero.
    #[error("ORCHESTRATOR_CLIENT_TIMEOUT must be a number of seconds from 1 to 86400, it is '{0}'")]
    NotTimeout(String),
}

/// A user and a password. Its `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    user: String,
    password: String,
}

impl fmt::Debug for Basic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Basic(***)")
    }
}

impl Basic {
    /// A pair; `None` when both are empty, which means no authentication.
    fn new(user: &str, password: &str) -> Option<Basic> {
        (!user.is_empty() || !password.is_empty()).then(|| Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    /// The percent-decoded pair of a URL.
    pub fn from_url(url: &Url) -> Option<Basic> {
        Basic::new(
            &decode(url.username()),
            &decode(url.password().unwrap_or_default()),
        )
    }

    fn from_flag(pair: &str) -> Result<Option<Basic>, Error> {
        if pair.is_empty() {
            return Ok(None);
        }
        let (user, password) = pair.split_once(':').ok_or(Error::BasicWithoutColon)?;
        Ok(Basic::new(user, password))
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password.
    pub fn password(&self) -> &str {
        &self.password
    }
}

/// Percent-decoding, as a URL's user and password need it; a stray `%` stays.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match escaped_byte(&bytes[at..]) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn escaped_byte(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Files for TLS, all in PEM form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities to trust instead of the system's.
    pub authorities: Option<PathBuf>,
    /// Our certificate and the file of its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Everything that a run is told. Its `Debug` shows nothing, since the command line may hold a password.
pub struct Settings {
    args: Args,
    instance: String,
    /// The endpoints as text.
    pub api: String,
    /// The basic authentication pair, if any.
    pub basic: Option<Basic>,
    /// The header to send with every call, if any.
    pub header: Option<(HeaderName, HeaderValue)>,
    /// Files for TLS.
    pub tls: TlsFiles,
    /// The user's bound for the whole run, if any.
    pub timeout: Option<Duration>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    /// Puts the sources together. `environment` is the inherited one with the settings file's variables over it.
    ///
    /// # Errors
    /// When a value has not the form that it must have.
    pub fn new(args: Args, environment: &BTreeMap<String, String>) -> Result<Settings, Error> {
        let variable = |name: &str| environment.get(name).map_or("", String::as_str);
        let header = args
            .get(Flag::HeadersAuth)
            .unwrap_or(variable("ORCHESTRATOR_AUTH_USER_HEADER"));
        let basic = match args.get(Flag::Auth) {
            Some(pair) => Basic::from_flag(pair)?,
            None => Basic::new(
                variable("ORCHESTRATOR_AUTH_USER"),
                variable("ORCHESTRATOR_AUTH_PASSWORD"),
            ),
        };
        let api = [
            args.get(Flag::Api).unwrap_or_default(),
            variable("ORCHESTRATOR_API"),
            endpoint::DEFAULT,
        ];
        Ok(Settings {
            instance: variable("ORCHESTRATOR_INSTANCE").to_owned(),
            api: first_given(&api).to_owned(),
            basic,
            header: parse_header(header)?,
            tls: tls_files(&variable)?,
            timeout: parse_timeout(variable("ORCHESTRATOR_CLIENT_TIMEOUT"))?,
            args,
        })
    }

    /// The value that counts for an option: given, from the environment, or its default; empty when there is none.
    pub fn value(&self, flag: Flag) -> &str {
        let given = self.args.get(flag);
        match flag {
            Flag::Instance => given.unwrap_or(&self.instance),
            Flag::DefaultPort => first_given(&[given.unwrap_or_default(), "3306"]),
            // An empty one would make a path that a server of the predecessor answers with OK without doing anything.
            Flag::Duration => first_given(&[given.unwrap_or_default(), "10m"]),
            _ => given.unwrap_or_default(),
        }
    }

    /// The alias if there is one, else the instance as it was written.
    pub fn cluster(&self) -> &str {
        first_given(&[self.value(Flag::Alias), self.value(Flag::Instance)])
    }
}

/// The first text that is not empty.
fn first_given<'a>(texts: &[&'a str]) -> &'a str {
    texts
        .iter()
        .find(|text| !text.is_empty())
        .copied()
        .unwrap_or_default()
}

fn parse_header(text: &str) -> Result<Option<(HeaderName, HeaderValue)>, Error> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let (name, value) = text.split_once(':').ok_or(Error::NotHeader)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| Error::NotHeader)?;
    let mut value = HeaderValue::try_from(value.trim()).map_err(|_| Error::NotHeader)?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

fn tls_files<'a>(variable: &impl Fn(&str) -> &'a str) -> Result<TlsFiles, Error> {
    let file = |name: &str| Some(variable(name)).filter(|path| !path.is_empty());
    let certificate = file("ORCHESTRATOR_CERT_FILE");
    let key = file("ORCHESTRATOR_KEY_FILE");
    if certificate.is_none() && key.is_some() {
        return Err(Error::KeyWithoutCertificate);
    }
    Ok(TlsFiles {
        authorities: file("ORCHESTRATOR_CA_FILE").map(PathBuf::from),
        // One file may hold both.
        identity: certificate.map(|path| (path.into(), key.unwrap_or(path).into())),
    })
}

fn parse_timeout(text: &str) -> Result<Option<Duration>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<u64>() {
        Ok(seconds @ 1..=86_400) => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(Error::NotTimeout(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &[&str], environment: &[(&str, &str)]) -> Result<Settings, Error> {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Settings::new(Args::parse(&words), &environment)
    }

    #[test]
    fn defaults_are_those_of_the_predecessor() {
        let settings = settings(&[], &[]).expect("settings");
        assert_eq!(settings.api, "http://localhost:3000");
        assert_eq!(settings.value(Flag::DefaultPort), "3306");
        assert_eq!(settings.value(Flag::Duration), "10m");
        assert_eq!(settings.value(Flag::Instance), "");
        let empty = self::settings(&["-u", "", "-D", ""], &[]).expect("settings");
        assert_eq!(empty.value(Flag::Duration), "10m");
        assert_eq!(empty.value(Flag::DefaultPort), "3306");
        assert!(settings.basic.is_none() && settings.header.is_none());
        assert_eq!(settings.tls, TlsFiles::default());
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let environment = [
            ("ORCHESTRATOR_API", "env"),
            ("ORCHESTRATOR_INSTANCE", "db1"),
        ];
        let from = |line: &[&str]| settings(line, &environment).expect("settings");
        assert_eq!(from(&[]).api, "env");
        assert_eq!(from(&["-U", ""]).api, "env");
        assert_eq!(from(&["-U", "flag"]).api, "flag");
        assert_eq!(from(&[]).value(Flag::Instance), "db1");
        assert_eq!(from(&["-i", "db2"]).value(Flag::Instance), "db2");
        assert_eq!(from(&["-i", ""]).value(Flag::Instance), "");
        assert_eq!(from(&[]).cluster(), "db1");
        assert_eq!(from(&["-a", "main"]).cluster(), "main");
    }

    #[test]
    fn basic_authentication_comes_as_a_pair() {
        let environment = [
            ("ORCHESTRATOR_AUTH_USER", "u"),
            ("ORCHESTRATOR_AUTH_PASSWORD", "p"),
        ];
        for (line, expected) in [
            (vec![], Some(("u", "p"))),
            (vec!["-b", "a:b:c"], Some(("a", "b:c"))),
            (vec!["-b", "a:"], Some(("a", ""))),
            (vec!["-b", ":"], None),
            (vec!["-b", ""], None),
        ] {
            let basic = settings(&line, &environment).expect("settings").basic;
            let pair = basic.as_ref().map(|basic| (basic.user(), basic.password()));
            assert_eq!(pair, expected, "{line:?}");
        }
        let refused = settings(&["-b", "secret"], &environment).expect_err("no colon");
        assert_eq!(refused, Error::BasicWithoutColon);
        assert!(!refused.to_string().contains("secret"));
    }

    #[test]
    fn the_header_is_taken_as_curl_takes_it() {
        for text in ["X-User:alice", "X-User: alice", " X-User : alice "] {
            let header = settings(&["-e", text], &[]).expect("settings").header;
            let (name, value) = header.expect("a header");
            assert_eq!((name.as_str(), value.as_bytes()), ("x-user", &b"alice"[..]));
        }
        for text in ["alice", "X User:alice", "X-User:a\nb", ":alice"] {
            let refused = settings(&["-e", text], &[]).expect_err(text);
            assert_eq!(refused, Error::NotHeader, "{text}");
        }
        let environment = [("ORCHESTRATOR_AUTH_USER_HEADER", "A:1")];
        let header = settings(&["-e", "B:2"], &environment)
            .expect("settings")
            .header;
        assert_eq!(header.expect("a header").0, "b");
    }

    #[test]
    fn a_key_needs_its_certificate_but_not_the_other_way_round() {
        let key = ("ORCHESTRATOR_KEY_FILE", "k");
        let certificate = ("ORCHESTRATOR_CERT_FILE", "c");
        let identity = |environment: &[(&str, &str)]| {
            let found = settings(&[], environment).map(|settings| settings.tls.identity);
            found.map(|found| found.map(|(certificate, key)| [certificate, key]))
        };
        assert_eq!(identity(&[key]), Err(Error::KeyWithoutCertificate));
        assert_eq!(identity(&[certificate]), Ok(Some(["c".into(), "c".into()])));
        assert_eq!(
            identity(&[certificate, key]),
            Ok(Some(["c".into(), "k".into()]))
        );
    }

    #[test]
    fn the_time_limit_is_a_number_of_seconds() {
        let timeout = |text| settings(&[], &[("ORCHESTRATOR_CLIENT_TIMEOUT", text)]);
        assert_eq!(
            timeout("90").expect("settings").timeout,
            Some(Duration::from_secs(90))
        );
        for text in ["0", "-1", "1s", "86401"] {
            assert_eq!(
                timeout(text).expect_err(text),
                Error::NotTimeout(text.into())
            );
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let environment = [("ORCHESTRATOR_AUTH_PASSWORD", "hidden")];
        let settings = settings(&["-e", "X-Token:hidden"], &environment).expect("settings");
        let shown = format!("{settings:?} {:?} {:?}", settings.basic, settings.header);
        assert!(!shown.contains("hidden"), "{shown}");
    }

    #[test]
    fn percent_signs_are_decoded_where_they_are_escapes() {
        for (text, expected) in [
            ("a%40b", "a@b"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%C3%BC", "ü"),
        ] {
            assert_eq!(decode(text), expected);
        }
    }
}
