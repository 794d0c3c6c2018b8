//! Running the client, and servers that answer from a script.

use std::path::Path;
use std::process::{Command, Stdio};

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// One run of the client. It sees no settings file and only the environment given here.
pub struct Run {
    command: Command,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Ended {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code.
    pub code: i32,
}

impl Run {
    /// The words after the program's name.
    #[allow(
        clippy::disallowed_methods,
        reason = "the program under test is a process"
    )]
    pub fn new(words: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator-client"));
        command.args(words).env_clear().stdin(Stdio::null());
        Run { command }.env("ORCHESTRATOR_CLIENT_PROFILE", "/nonexistent")
    }

    /// Sets one variable.
    pub fn env(mut self, name: &str, value: &str) -> Run {
        self.command.env(name, value);
        self
    }

    /// Gives the client a settings file.
    pub fn profile(self, path: &Path) -> Run {
        let path = path.to_str().expect("a path of ours is UTF-8");
        self.env("ORCHESTRATOR_CLIENT_PROFILE", path)
    }

    /// Sets the endpoints by environment.
    pub fn api(self, api: &str) -> Run {
        self.env("ORCHESTRATOR_API", api)
    }

    /// Runs to the end, on a thread of its own so that scripted servers can answer.
    pub async fn ends(mut self) -> Ended {
        let output = tokio::task::spawn_blocking(move || self.command.output())
            .await
            .expect("the thread does not panic")
            .expect("the client was built before its tests");
        Ended {
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
            code: output.status.code().expect("it was not killed"),
        }
    }
}

impl Ended {
    /// The run succeeded with exactly this output and nothing to say.
    pub fn printed(&self, stdout: &str) {
        assert_eq!(self.stdout, stdout, "{self:?}");
        assert_eq!(self.stderr, "", "{self:?}");
        assert_eq!(self.code, 0, "{self:?}");
    }

    /// The run failed with this sentence of the client itself, after its name and process id.
    pub fn refused(&self, code: i32, sentence: &str) {
        assert_eq!(self.stdout, "", "{self:?}");
        let (name, rest) = self
            .stderr
            .split_once('[')
            .expect("a name before a bracket");
        let (pid, said) = rest.split_once("]: ").expect("a process id in brackets");
        assert_eq!(name, "orchestrator-client");
        assert!(pid.parse::<u32>().is_ok(), "{self:?}");
        assert_eq!(said, format!("{sentence}\n"));
        assert_eq!(self.code, code, "{self:?}");
    }
}

/// A server that gives the same answer to everything.
pub async fn answering(status: u16, body: &str) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(status).set_body_string(body))
        .mount(&server)
        .await;
    server
}

/// What a server was asked, in order.
pub async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.expect("recording is on")
}

/// Path and query of each request, as sent.
pub async fn paths(server: &MockServer) -> Vec<String> {
    let target = |request: &Request| match request.url.query() {
        Some(query) => format!("{}?{query}", request.url.path()),
        None => request.url.path().to_owned(),
    };
    requests(server).await.iter().map(target).collect()
}

/// The value of a header that is there at most once.
pub fn header(request: &Request, name: &str) -> Option<String> {
    let values: Vec<_> = request.headers.get_all(name).iter().collect();
    assert!(values.len() < 2, "{name} is there {} times", values.len());
    let text = |value: &wiremock::http::HeaderValue| value.to_str().map(str::to_owned);
    values.first().map(|value| text(value).expect("a text"))
}
