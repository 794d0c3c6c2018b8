//! TLS, client certificates, unix sockets and reloading, with the real service and the real client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use raft_tests::lab::{AddressBlock, Node, NodePlan, Program, client_binary, wait_until};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

const SOON: Duration = Duration::from_secs(15);

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    dir: PathBuf,
}

impl Authority {
    fn new(dir: &Path) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        std::fs::write(dir.join("ca.pem"), params.self_signed(&key)?.pem())?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            dir: dir.to_owned(),
        })
    }

    /// Writes `name.pem` and `name.key`, for an address and with an organisational unit.
    fn issue(&self, name: &str, address: std::net::Ipv4Addr, unit: &str) -> Result<()> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params
            .subject_alt_names
            .push(SanType::IpAddress(address.into()));
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
        let key = KeyPair::generate()?;
        std::fs::write(
            self.path(name, "pem"),
            params.signed_by(&key, &self.issuer)?.pem(),
        )?;
        std::fs::write(self.path(name, "key"), key.serialize_pem())?;
        std::fs::set_permissions(
            self.path(name, "key"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )?;
        Ok(())
    }

    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.dir.join(format!("{name}.{ending}"))
    }

    fn text(&self, name: &str, ending: &str) -> String {
        self.path(name, ending).display().to_string()
    }

    /// The client against `url`, with the certificate `name` or none.
    async fn client(
        &self,
        url: &str,
        name: Option<&str>,
        arguments: &[&str],
    ) -> Result<(Option<i32>, String)> {
        let mut program = Program::new(client_binary()?)
            .env("ORCHESTRATOR_API", url)
            .env("ORCHESTRATOR_CA_FILE", &self.text("ca", "pem"));
        if let Some(name) = name {
            program = program
                .env("ORCHESTRATOR_CERT_FILE", &self.text(name, "pem"))
                .env("ORCHESTRATOR_KEY_FILE", &self.text(name, "key"));
        }
        let program = arguments
            .iter()
            .fold(program, |program, argument| program.arg(argument));
        let finished = program.run("", Duration::from_secs(30)).await?;
        Ok((finished.status.code(), finished.stdout + &finished.stderr))
    }
}

#[tokio::test]
async fn client_certificates_open_the_api_and_the_status_path_needs_none() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let authority = Authority::new(dir.path())?;
    let block = AddressBlock::claim()?;
    let host = block.next_node()?;
    authority.issue("server", host, "service")?;
    authority.issue("ops", host, "ops")?;
    authority.issue("dev", host, "dev")?;
    let plan = NodePlan::on(host)
        .with("UseSSL", true)
        .with("UseMutualTLS", true)
        .with("SSLCertFile", authority.text("server", "pem"))
        .with("SSLPrivateKeyFile", authority.text("server", "key"))
        .with("SSLCAFile", authority.text("ca", "pem"))
        .with("SSLValidOUs", vec!["ops"]);
    let node = Node::prepare(plan)?;
    node.launch()?;
    let url = node.at("").replace("http://", "https://");
    let status = ["-c", "api", "-P", "status"];
    let clusters = ["-c", "api", "-P", "clusters"];
    wait_until("the service", SOON, async || {
        let (code, text) = authority.client(&url, Some("ops"), &status).await?;
        ensure!(code == Some(0), "{text}");
        Ok(())
    })
    .await?;
    let (code, text) = authority.client(&url, Some("ops"), &clusters).await?;
    ensure!(code == Some(0) && text.trim() == "null", "{text}");
    let (code, text) = authority.client(&url, None, &status).await?;
    ensure!(
        code == Some(0),
        "the status path needs no certificate: {text}"
    );
    for (name, why) in [
        (None, "without a certificate"),
        (Some("dev"), "with another unit"),
    ] {
        let (code, text) = authority.client(&url, name, &clusters).await?;
        ensure!(code == Some(1), "{why}: {text}");
    }
    ensure!(node.terminate().await?.success(), "it ends in order");
    Ok(())
}

#[tokio::test]
async fn changed_keys_count_after_a_reload_and_a_bad_file_changes_nothing() -> Result<()> {
    let block = AddressBlock::claim()?;
    let node = Node::start(NodePlan::on(block.next_node()?)).await?;
    let change = "/api/begin-downtime/some-host/3306/ann/reason/1h";
    ensure!(
        node.post(change, None).await?.is_ok(),
        "changes are open at first"
    );
    node.configure("ReadOnly", true)?;
    node.signal("HUP")?;
    wait_until("ReadOnly to count", SOON, async || {
        let answer = node.post(change, None).await?;
        ensure!(answer.json["Message"] == "Unauthorized", "{}", answer.text);
        Ok(())
    })
    .await?;
    node.configure("InstancePollSeconds", "soon")?;
    node.configure("ReadOnly", false)?;
    node.signal("HUP")?;
    wait_until("the refusal in the log", SOON, async || {
        ensure!(
            node.log()?.contains("not reloaded: "),
            "{}",
            node.log_tail()
        );
        Ok(())
    })
    .await?;
    let answer = node.post(change, None).await?;
    ensure!(
        answer.json["Message"] == "Unauthorized",
        "nothing of a bad file counts: {}",
        answer.text
    );
    node.configure("InstancePollSeconds", 3)?;
    let answer = node.post("/api/reload-configuration", None).await?;
    ensure!(
        !answer.is_ok(),
        "a read-only node refuses to be reloaded by HTTP: {}",
        answer.text
    );
    node.signal("HUP")?;
    wait_until("changes to be open again", SOON, async || {
        ensure!(
            node.post("/api/reload-configuration", None).await?.is_ok(),
            "still refused"
        );
        Ok(())
    })
    .await?;
    let elsewhere = node
        .post("/api/reload-configuration?config=/etc/passwd", None)
        .await?;
    ensure!(
        elsewhere.code() == "ERROR" && elsewhere.text.contains("ConfigReloadDirectories"),
        "{}",
        elsewhere.text
    );
    node.configure("ListenAddress", "127.0.0.1:1")?;
    let answer = node.post("/api/reload-configuration", None).await?;
    ensure!(
        answer
            .text
            .contains("ListenAddress has changed and counts after a restart"),
        "{}",
        answer.text
    );
    Ok(())
}

#[tokio::test]
async fn a_unix_socket_and_the_audit_file_work() -> Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let block = AddressBlock::claim()?;
    let dir = tempfile::tempdir()?;
    let (socket, audit) = (dir.path().join("orc.sock"), dir.path().join("audit.log"));
    let plan = NodePlan::on(block.next_node()?)
        .with("ListenSocket", socket.display().to_string())
        .with("AuditLogFile", audit.display().to_string())
        .without("AuthenticationMethod");
    let node = Node::prepare(plan)?;
    node.launch()?;
    let ask = async |request: &str| -> Result<String> {
        let mut stream = tokio::net::UnixStream::connect(&socket).await?;
        stream
            .write_all(
                format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
            )
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    wait_until("the socket", SOON, async || {
        ensure!(
            ask("GET /api/health").await?.contains("\"Healthy\":true"),
            "not healthy yet"
        );
        Ok(())
    })
    .await?;
    let done = ask("POST /api/begin-downtime/db1/3306/ann/new%0Adisk/1h").await?;
    ensure!(
        done.starts_with("HTTP/1.1 200"),
        "a local caller may change: {done}"
    );
    ensure!(node.terminate().await?.success(), "it ends in order");
    ensure!(!socket.exists(), "the socket's file is gone");
    let text = std::fs::read_to_string(&audit)?;
    let line = text.lines().last().context("the audit has a line")?;
    let fields: Vec<&str> = line.split('\t').collect();
    ensure!(fields[1..4] == ["begin-downtime", "db1", "3306"], "{line}");
    ensure!(
        fields[5].contains("from unix socket") && fields[5].ends_with("done"),
        "{line}"
    );
    Ok(())
}
