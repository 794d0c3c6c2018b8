use std::time::Duration;

use regex::Regex;

/// How host names are resolved. Reloadable; a changed method empties the cache.
#[derive(Clone, Debug)]
pub struct Config {
    /// What a name becomes (`HostnameResolveMethod`).
    pub method: Method,
    /// A result that matches is not used (`RejectHostnameResolvePattern`).
    pub reject: Option<Regex>,
    /// Life of a result in the cache (`ExpiryHostnameResolvesMinutes`, 60). While the name service fails, an expired
    /// result is used for as long again.
    pub expiry: Duration,
}

/// What a name becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Itself (`none`, `default` and unknown words).
    #[default]
    None,
    /// The name at the end of its chain of `CNAME` records.
    Cname,
    /// Its first IPv4 address, else its first IPv6 address.
    Ip,
}

impl Method {
    /// From the configuration's word, ignoring case.
    pub fn from_word(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "cname" => Self::Cname,
            "ip" => Self::Ip,
            _ => Self::None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            method: Method::None,
            reject: None,
            expiry: Duration::from_secs(3600),
        }
    }
}
