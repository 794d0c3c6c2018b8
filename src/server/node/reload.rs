use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orchestrator_core::ports::{BoxFuture, Clock};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::group::Listed;
use super::{mapping, policy};
use crate::api::access::{AccessConfig, AuditSink, TokenLookup};
use crate::api::serve::{TlsFiles, TlsMaterial};
use crate::api::{ApiConfig, Reload};
use crate::config::{Loaded, Settings, SystemSource};
use crate::{beats, discovery, executor, guard, hooks, import, mysql, resolve};

/// What modules are told, and the means to tell them something new.
pub(super) struct Told {
    pub mysql: watch::Sender<Arc<mysql::Config>>,
    pub resolve: watch::Sender<Arc<resolve::Config>>,
    pub discovery: watch::Sender<Arc<discovery::Config>>,
    pub hooks: watch::Sender<Arc<hooks::Config>>,
    pub executor: watch::Sender<Arc<executor::Config>>,
    pub guard: watch::Sender<Arc<guard::Config>>,
    pub beats: watch::Sender<Arc<beats::Config>>,
    pub import: watch::Sender<Arc<import::Config>>,
    pub api: watch::Sender<Arc<ApiConfig>>,
    pub access: watch::Sender<Arc<AccessConfig>>,
    /// Certificates of the HTTP service and where they come from; `None` when it serves plain HTTP.
    pub tls: Option<(TlsFiles, watch::Sender<TlsMaterial>)>,
    /// What is not in the configuration and goes with it.
    pub circumstances: Circumstances,
}

/// What the configuration does not say.
pub(super) struct Circumstances {
    pub node_name: String,
    pub store_place: String,
    pub discovers: bool,
    /// Nothing is changed on any server.
    pub changes_nothing: bool,
    pub tokens: Arc<dyn TokenLookup>,
    pub audit: Option<Arc<dyn AuditSink>>,
}

impl Told {
    pub(super) fn first(
        settings: &Settings,
        tls: Option<(TlsFiles, TlsMaterial)>,
        circumstances: Circumstances,
    ) -> Self {
        let of = &circumstances;
        Self {
            mysql: watch::Sender::new(Arc::new(mapping::mysql(settings))),
            resolve: watch::Sender::new(Arc::new(mapping::resolve(settings))),
            discovery: watch::Sender::new(Arc::new(mapping::discovery(settings, of.discovers))),
            hooks: watch::Sender::new(Arc::new(mapping::hooks(settings))),
            executor: watch::Sender::new(Arc::new(policy::executor(settings, of.changes_nothing))),
            guard: watch::Sender::new(Arc::new(policy::guard(settings, of.changes_nothing))),
            beats: watch::Sender::new(Arc::new(policy::beats(settings))),
            import: watch::Sender::new(Arc::new(policy::import(settings, of.changes_nothing))),
            api: watch::Sender::new(Arc::new(mapping::api(
                settings,
                &of.node_name,
                &of.store_place,
            ))),
            access: watch::Sender::new(Arc::new(mapping::access(
                settings,
                &of.node_name,
                of.tokens.clone(),
                of.audit.clone(),
            ))),
            tls: tls.map(|(files, material)| (files, watch::Sender::new(material))),
            circumstances,
        }
    }

    fn tell(&self, settings: &Settings) {
        let of = &self.circumstances;
        self.mysql.send_replace(Arc::new(mapping::mysql(settings)));
        self.resolve
            .send_replace(Arc::new(mapping::resolve(settings)));
        self.discovery
            .send_replace(Arc::new(mapping::discovery(settings, of.discovers)));
        self.hooks.send_replace(Arc::new(mapping::hooks(settings)));
        self.executor
            .send_replace(Arc::new(policy::executor(settings, of.changes_nothing)));
        self.guard
            .send_replace(Arc::new(policy::guard(settings, of.changes_nothing)));
        self.beats.send_replace(Arc::new(policy::beats(settings)));
        self.import
            .send_replace(Arc::new(policy::import(settings, of.changes_nothing)));
        self.api.send_replace(Arc::new(mapping::api(
            settings,
            &of.node_name,
            &of.store_place,
        )));
        self.access.send_replace(Arc::new(mapping::access(
            settings,
            &of.node_name,
            of.tokens.clone(),
            of.audit.clone(),
        )));
    }
}

/// Reads the configuration again and tells everybody.
pub(super) struct NodeReload {
    loaded: Mutex<Loaded>,
    told: Told,
    listed: Option<Listed>,
}

impl NodeReload {
    pub(super) fn new(loaded: Loaded, told: Told, listed: Option<Listed>) -> Arc<Self> {
        Arc::new(Self {
            loaded: Mutex::new(loaded),
            told,
            listed,
        })
    }

    /// Reads, and returns what to tell whoever asked. Certificates are read from their files too; nothing changes unless
    /// all of it can be used.
    pub(super) async fn again(&self, extra: Option<PathBuf>) -> Result<Vec<String>, Vec<String>> {
        let mut loaded = self.loaded.lock().await;
        let before = loaded.clone();
        let files = self.told.tls.as_ref().map(|(files, _)| files.clone());
        let links = self.listed.as_ref().map(|listed| listed.links.clone());
        // Files may lie on a slow disk.
        let read = tokio::task::spawn_blocking(move || {
            let reloaded = before.reload(&SystemSource, extra.as_deref());
            let reloaded = reloaded.map_err(|error| error.sentences())?;
            let said = |error: &dyn std::error::Error| vec![error.to_string()];
            let material = files.map(|files| TlsMaterial::load(&files)).transpose();
            let material = material.map_err(|error| said(&error))?;
            let live = &reloaded.loaded.settings.live;
            let prepared = links.map(|links| Listed::prepare(&links, live)).transpose();
            let prepared = prepared.map_err(|error| said(&error))?;
            Ok::<_, Vec<String>>((reloaded, material, prepared))
        });
        let (reloaded, material, prepared) = read
            .await
            .map_err(|_| vec!["reading was interrupted".to_owned()])??;
        let sentences = reloaded.sentences();
        self.told.tell(&reloaded.loaded.settings);
        if let (Some(listed), Some(prepared)) = (&self.listed, prepared) {
            listed.tell(&reloaded.loaded.settings.live.raft_nodes, prepared);
        }
        if let (Some((_, sender)), Some(material)) = (&self.told.tls, material) {
            sender.send_replace(material);
        }
        tracing::info!(
            changed = reloaded.changed.join(" "),
            "the configuration was read again"
        );
        *loaded = reloaded.loaded;
        Ok(sentences)
    }
}

/// How often the files of the HTTP service's certificates are looked at: what renews them tells nobody.
const FILES_LOOKED_AT: Duration = Duration::from_secs(10);

/// Time between two lines of the log that say the same of an expiry.
const REMINDED_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Takes certificates of the HTTP service when their files change, without being told to.
pub(super) struct FollowedFiles {
    pub files: TlsFiles,
    pub material: watch::Sender<TlsMaterial>,
    pub clock: Arc<dyn Clock>,
}

impl FollowedFiles {
    /// Looks again and again, until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut seen = self.files.stamps();
        let mut reminded_at: Option<Duration> = None;
        loop {
            self.remind(&mut reminded_at);
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(FILES_LOOKED_AT) => {}
            }
            let now = self.files.stamps();
            if now != seen {
                seen = now;
                self.read().await;
            }
        }
    }

    fn remind(&self, last: &mut Option<Duration>) {
        let (now, at) = (self.clock.now(), self.clock.monotonic());
        let (left, warning) = {
            let material = self.material.borrow();
            (material.expires_in_seconds(now), material.warning(now))
        };
        metrics::gauge!("orchestrator_http_certificate_expires_in_seconds").set(left as f64);
        if let Some(warning) = warning
            && last.is_none_or(|last| at.saturating_sub(last) >= REMINDED_EVERY)
        {
            *last = Some(at);
            tracing::warn!("{warning}");
        }
    }

    async fn read(&self) {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || TlsMaterial::load(&files)).await;
        match read {
            Ok(Ok(material)) => {
                let expires_in_seconds = material.expires_in_seconds(self.clock.now());
                self.material.send_replace(material);
                tracing::info!(
                    expires_in_seconds,
                    "the certificates of the HTTP service were read anew"
                );
            }
            Ok(Err(error)) => tracing::error!(
                %error,
                "the certificates of the HTTP service have changed and cannot be used; the ones read before stay in force"
            ),
            // Only while the process ends.
            Err(error) => tracing::debug!(%error, "reading was interrupted"),
        }
    }
}

/// Texts of the metrics of this module.
pub(super) fn describe_metrics() {
    metrics::describe_gauge!(
        "orchestrator_http_certificate_expires_in_seconds",
        "time until the certificate of the HTTP service expires; negative when it has"
    );
}

impl Reload for NodeReload {
    fn reload(&self, extra: Option<PathBuf>) -> BoxFuture<'_, Result<Vec<String>, Vec<String>>> {
        Box::pin(self.again(extra))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::effects::fakes::{FakeClock, until};

    fn write(files: &TlsFiles, last_year: i32) {
        let mut params = CertificateParams::new(vec!["orc.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1960, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        std::fs::write(&files.private_key, key.serialize_pem()).unwrap();
        std::fs::write(&files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    }

    fn files_in(folder: &Path) -> TlsFiles {
        TlsFiles {
            certificate: folder.join("cert.pem"),
            private_key: folder.join("key.pem"),
            client_authority: None,
        }
    }

    #[tokio::test]
    async fn certificates_of_the_service_are_taken_when_their_files_change_and_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let (files, clock) = (files_in(folder.path()), FakeClock::new());
        let years = |years: i64| years * 365 * 24 * 3600;
        let expires_in = |material: &TlsMaterial| material.expires_in_seconds(clock.now());
        write(&files, 2050);
        let material = watch::Sender::new(TlsMaterial::load(&files).unwrap());
        let (mut seen, stop) = (material.subscribe(), CancellationToken::new());
        let first = expires_in(&seen.borrow_and_update());
        let followed = FollowedFiles {
            files: files.clone(),
            material,
            clock: clock.clone(),
        };
        let task = tokio::spawn(followed.run(stop.clone()));
        clock.until_somebody_sleeps().await;

        std::fs::write(&files.certificate, "no certificate").unwrap();
        clock.advance(10);
        clock.until_somebody_sleeps().await;
        assert!(!seen.has_changed().unwrap(), "what was read before stays");

        write(&files, 2060);
        clock.advance(10);
        until("the new ones are taken", || seen.has_changed().unwrap()).await;
        let second = expires_in(&seen.borrow_and_update());
        assert!(second - first > years(9), "{first} {second}");
        stop.cancel();
        task.await.unwrap();
    }

    #[test]
    fn a_certificate_that_expires_soon_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (files, clock) = (files_in(folder.path()), FakeClock::new());
        write(&files, 2050);
        let good = TlsMaterial::load(&files).unwrap();
        assert_eq!(good.warning(clock.now()), None);
        write(&files, 1965);
        let warning = TlsMaterial::load(&files).unwrap().warning(clock.now());
        let expected = format!(
            "the certificate in SSLCertFile ({}) has expired: clients refuse this node then",
            files.certificate.display()
        );
        assert_eq!(warning.as_deref(), Some(expected.as_str()));
    }
}
