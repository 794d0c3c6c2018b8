//! A run from its words to its output: settings, command, call, lines.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::args::{Args, Flag};
use crate::commands::{self, Action, Missing, Need, OWNER, Row};
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::filters::Filter;
use crate::http::{Call, Client, Session};
use crate::process::{self, Process};
use crate::profile::{self, Profile};
use crate::reply::Reply;
use crate::settings::Settings;
use crate::{help, text};

/// Where a node says what it is in its group.
const RAFT_STATE: &str = "raft-state";

/// What it says there when it leads.
const LEADER: &str = "Leader";

/// What a run prints and how it ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// For standard output, line breaks included.
    pub stdout: String,
    /// For standard error, line breaks included.
    pub stderr: String,
    /// The exit code.
    pub code: u8,
}

impl Output {
    fn lines(lines: &[String]) -> Output {
        let stdout = lines.iter().map(|line| format!("{line}\n")).collect();
        Output {
            stdout,
            ..Output::default()
        }
    }
}

/// Carries out what the process was asked for. Complaints that do not end the run are written at once.
///
/// # Errors
/// When there is no output; the failure says why.
pub async fn run(process: &Process) -> Result<Output, Failure> {
    let args = Args::parse(&process.words);
    for complaint in &args.complaints {
        process.complain(&complaint.to_string());
    }
    let row = row(args.get(Flag::Command).unwrap_or_default())?;
    carry_out(row, process, args).await
}

fn row(name: &str) -> Result<&'static Row, Failure> {
    let name = commands::canonical(name);
    if name.is_empty() {
        return Err(Failure::NoCommand);
    }
    commands::find(&name).ok_or(Failure::Unsupported(name))
}

/// The inherited environment with the variables of the settings file over it.
fn environment(process: &Process) -> BTreeMap<String, String> {
    let mut environment = process.environment.clone();
    let path = environment.get(profile::PATH_VARIABLE);
    let path = path
        .map_or(profile::DEFAULT_PATH, String::as_str)
        .to_owned();
    match process::read_profile(Path::new(&path)) {
        Ok(Some(text)) => {
            let profile = Profile::parse(&text);
            for line in profile.skipped {
                process.complain(&format!(
                    "{path} line {line} is skipped: only plain lines of the form export NAME=value are read"
                ));
            }
            environment.extend(profile.variables);
        }
        Ok(None) => {}
        Err(error) => process.complain(&format!("{path} cannot be read and is ignored: {error}")),
    }
    environment
}

async fn carry_out(row: &Row, process: &Process, args: Args) -> Result<Output, Failure> {
    match row.action {
        Action::Help => Ok(Output {
            stdout: help::text(&process.program),
            ..Output::default()
        }),
        Action::NotYet => Err(Failure::NotYet(row.name)),
        Action::WhichApi => {
            let session = open(&settings(row, process, args)?).await?;
            Ok(Output::lines(&[session.endpoint().to_string()]))
        }
        Action::RawCall => {
            let settings = settings(row, process, args)?;
            let path = settings.value(Flag::Path).trim_start_matches('/');
            // What a path does is not known here, so it is sent as a change.
            let body = ask(&settings, path.to_owned(), true).await?;
            Ok(raw(Reply::read(body)))
        }
        Action::Call {
            path,
            changes,
            filter,
        } => {
            let settings = settings(row, process, args)?;
            let owner = owner(path, process, &settings)?;
            let path = commands::expand(path, &settings, &owner)?;
            let body = ask(&settings, path.clone(), changes).await?;
            filtered(Reply::read(body), filter, path)
        }
        Action::OfLeader {
            path,
            changes,
            filter,
        } => {
            let settings = settings(row, process, args)?;
            let path = commands::expand(path, &settings, "")?;
            let mut session = open(&settings).await?;
            leads(&mut session, &settings).await?;
            let body = session
                .call(&call(&settings, path.clone(), changes))
                .await?;
            filtered(Reply::read(body), filter, path)
        }
    }
}

/// The settings of this run, with all that the command needs.
fn settings(row: &Row, process: &Process, args: Args) -> Result<Settings, Failure> {
    let settings = Settings::new(args, &environment(process))?;
    row.check(&settings)?;
    Ok(settings)
}

async fn open(settings: &Settings) -> Result<Session<Client>, Failure> {
    let endpoints = Endpoint::parse_list(&settings.api)?;
    let client = Client::new(settings, &endpoints)?;
    Ok(Session::open(client, endpoints).await?)
}

async fn ask(settings: &Settings, path: String, changes: bool) -> Result<Value, Failure> {
    let call = call(settings, path, changes);
    Ok(open(settings).await?.call(&call).await?)
}

fn call(settings: &Settings, path: String, changes: bool) -> Call {
    Call {
        path,
        idempotency_key: changes.then(|| uuid::Uuid::new_v4().to_string()),
        limit: settings.timeout,
    }
}

/// Makes sure that the node in use leads, by its own word.
async fn leads(session: &mut Session<Client>, settings: &Settings) -> Result<(), Failure> {
    let answer = session
        .call(&call(settings, RAFT_STATE.to_owned(), false))
        .await?;
    let said = match Reply::read(answer) {
        Reply::Success(Value::String(state)) if state == LEADER => return Ok(()),
        Reply::Success(Value::String(state)) => state,
        Reply::Success(body) => text::one_line(&body),
        Reply::Refusal { message, .. } => format!("'{message}'"),
    };
    Err(Failure::DoesNotLead {
        host: session.endpoint().to_string(),
        said,
    })
}

/// Who owns what the command creates. Only asked for where the path wants it.
fn owner(path: &str, process: &Process, settings: &Settings) -> Result<String, Missing> {
    let given = settings.value(Flag::Owner);
    if !given.is_empty() || !path.contains(OWNER) {
        return Ok(given.to_owned());
    }
    process.user().ok_or(Need::Value(Flag::Owner).missing())
}

fn raw(reply: Reply) -> Output {
    match reply {
        Reply::Success(body) => Output::lines(&[text::one_line(&body)]),
        Reply::Refusal { envelope, .. } => Output {
            code: 1,
            ..Output::lines(&[envelope])
        },
    }
}

fn filtered(reply: Reply, filter: Filter, path: String) -> Result<Output, Failure> {
    match reply {
        Reply::Success(body) => match filter(&body) {
            Ok(lines) => Ok(Output::lines(&lines)),
            Err(shape) => Err(Failure::Shape { path, shape }),
        },
        Reply::Refusal {
            message, details, ..
        } => Ok(Output {
            stderr: format!("{message}\n"),
            code: 1,
            ..Output::lines(details.as_slice())
        }),
    }
}
