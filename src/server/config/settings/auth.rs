use std::time::Duration;

use orchestrator_core::domain::Secret;

use super::Network;
use crate::config::problem::ProblemKind;
use crate::config::report::Report;
use crate::config::values::Values;

/// How callers are told apart (`AuthenticationMethod`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// Nothing was said: everyone may read, changes are taken from loopback and the unix socket only.
    Unsaid,
    /// `none` was written out: everyone may do everything.
    None,
    /// One user for everything.
    Basic,
    /// One user for everything, and `readonly` with any password for reading.
    Multi,
    /// A proxy names the user.
    Proxy,
    /// A token claimed from the API.
    Token,
    /// Everyone may read, nobody may change.
    OAuth,
}

/// Users and their rights.
#[derive(Clone, Debug)]
pub struct Auth {
    /// How callers are told apart.
    pub method: AuthMethod,
    /// User of `basic` and `multi`; never empty with them (`HTTPAuthUser`).
    pub user: String,
    /// Password of `basic` and `multi` (`HTTPAuthPassword`).
    pub password: Secret,
    /// Header in which a proxy names the user, a valid header name in lower case, never empty with `proxy` (`AuthUserHeader`).
    pub user_header: String,
    /// Networks whose `user_header` is believed, beside this machine (`HTTPTrustedProxies`).
    pub trusted_proxies: Vec<Network>,
    /// Users who may change with method proxy; `*` stands for every named one (`PowerAuthUsers`).
    pub power_users: Vec<String>,
    /// Unix groups whose members may change with method proxy (`PowerAuthGroups`).
    pub power_groups: Vec<String>,
    /// Time in which a token must be claimed (`AccessTokenUseExpirySeconds`).
    pub token_claim_within: Duration,
    /// Life of a claimed token (`AccessTokenExpiryMinutes`).
    pub token_life: Duration,
}

impl Auth {
    pub(super) fn resolve(values: &Values, report: &mut Report) -> Self {
        Self {
            method: AuthMethod::resolve(values),
            user: values.text("HTTPAuthUser"),
            password: values.secret("HTTPAuthPassword"),
            user_header: user_header(values, report),
            trusted_proxies: trusted_proxies(values, report),
            power_users: values.texts("PowerAuthUsers"),
            power_groups: values.texts("PowerAuthGroups"),
            token_claim_within: values.seconds("AccessTokenUseExpirySeconds"),
            token_life: values.minutes("AccessTokenExpiryMinutes"),
        }
    }
}

impl AuthMethod {
    fn resolve(values: &Values) -> Self {
        match values.text("AuthenticationMethod").as_str() {
            "" => Self::Unsaid,
            "none" => Self::None,
            "basic" => Self::Basic,
            "multi" => Self::Multi,
            "proxy" => Self::Proxy,
            "token" => Self::Token,
            "oauth" => Self::OAuth,
            other => unreachable!("{other} is not among the words that the table lists"),
        }
    }
}

fn user_header(values: &Values, report: &mut Report) -> String {
    let name = values.text("AuthUserHeader");
    // RFC 9110, section 5.6.2: a token.
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    // Many files have an empty one, which matters only where it is read.
    let is_read = values.text("AuthenticationMethod") == "proxy";
    if !name.chars().all(is_token) || (name.is_empty() && is_read) {
        report.key_problem(
            values,
            "AuthUserHeader",
            ProblemKind::BadHeaderName {
                found: name.clone(),
            },
        );
    }
    name.to_ascii_lowercase()
}

fn trusted_proxies(values: &Values, report: &mut Report) -> Vec<Network> {
    let mut networks = Vec::new();
    for (index, text) in values.texts("HTTPTrustedProxies").into_iter().enumerate() {
        match Network::parse(&text) {
            Some(network) => networks.push(network),
            None => {
                let file = values.file("HTTPTrustedProxies");
                report.problem(
                    file,
                    format!("HTTPTrustedProxies[{index}]"),
                    ProblemKind::BadNetwork { found: text },
                );
            }
        }
    }
    networks
}
