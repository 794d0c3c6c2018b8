use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// How often histograms are folded, so that their memory stays bounded between scrapes.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Everything that is counted, in the Prometheus text format.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder of this process.
    ///
    /// # Errors
    /// When a recorder is installed already.
    pub fn install() -> Result<Self, BuildError> {
        describe();
        PrometheusBuilder::new().install_recorder().map(Self)
    }

    /// The text of a scrape.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what was recorded since the last call.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

fn describe() {
    metrics::describe_counter!(
        "orchestrator_http_requests_total",
        "HTTP requests by route and status"
    );
    metrics::describe_counter!(
        "orchestrator_http_requests_refused_total",
        "HTTP requests refused because too many were served"
    );
    metrics::describe_counter!(
        "orchestrator_http_connections_refused_total",
        "connections closed because too many were open"
    );
    metrics::describe_counter!(
        "orchestrator_http_panics_total",
        "request handlers that panicked; each is a bug"
    );
}
