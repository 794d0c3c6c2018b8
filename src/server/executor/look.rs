//! A look at everything: the picture, its topology, what is decided, and what analysis makes of it.

use std::sync::Arc;

use orchestrator_core::analysis::{Analysis, Finding, Scene, Stalls, analyze, cluster_alias};
use orchestrator_core::beats::{Beat, Beats, Standing};
use orchestrator_core::decided::Decided;
use orchestrator_core::domain::{InstanceKey, Picture, RecoveryKind, Timestamp};
use orchestrator_core::legacy::cluster_filters_match;
use orchestrator_core::recovery::{
    Gate, GlobalSwitch, History, PastRecovery, Request, gate, servers_touched,
};
use orchestrator_core::topology::Topology;

use super::{Config, Deps, WhyNot};

/// What was looked at, at one moment.
#[derive(Clone)]
pub(super) struct View {
    pub picture: Arc<Picture>,
    pub topology: Topology,
    pub decided: Arc<Decided>,
    pub stalls: Stalls,
    pub beats: Arc<Beats>,
    pub now: Timestamp,
}

impl View {
    /// Now. `before` is what is known of binary logs that stand still.
    pub fn take(deps: &Deps, before: &Stalls) -> Self {
        let picture = deps.picture.picture();
        Self {
            topology: Topology::build(&picture),
            stalls: before.after(&picture),
            picture,
            beats: deps.beats.beats(),
            decided: deps.decisions.decided(),
            now: deps.clock.now(),
        }
    }

    pub fn scene(&self) -> Scene<'_> {
        Scene {
            picture: &self.picture,
            topology: &self.topology,
            decided: &self.decided,
            stalls: &self.stalls,
            beats: &self.beats,
            now: self.now,
        }
    }

    /// The same, had those primaries been silent for long enough that will be so in a moment; `None` where there are none.
    pub fn foreseen(&self) -> Option<Self> {
        let will = |beat: &Beat| beat.standing == Standing::Mute;
        let mute: Vec<(&InstanceKey, &Beat)> =
            self.beats.iter().filter(|(_, beat)| will(beat)).collect();
        if mute.is_empty() {
            return None;
        }
        let mut beats = Beats::clone(&self.beats);
        for (key, beat) in mute {
            let standing = Standing::Silent;
            beats.put(
                key.clone(),
                Beat {
                    standing,
                    ..beat.clone()
                },
            );
        }
        Some(Self {
            beats: Arc::new(beats),
            ..self.clone()
        })
    }

    pub fn analysis(&self, config: &Config) -> Analysis {
        analyze(&self.scene(), &config.analysis)
    }

    /// Whether a recovery of a finding may begin now.
    ///
    /// # Errors
    /// [`WhyNot`].
    pub fn gate(
        &self,
        finding: &Finding,
        config: &Config,
        is_forced: bool,
    ) -> Result<RecoveryKind, WhyNot> {
        let scene = self.scene();
        let servers = servers_touched(&scene, &finding.subject);
        let alias = self.alias(&finding.cluster, config);
        let request = Request {
            finding,
            cluster_alias: &alias,
            servers: &servers,
            is_forced,
        };
        match gate(&request, &self.history(), &config.recovery, self.now) {
            Gate::Proceed(kind) => Ok(kind),
            Gate::Blocked(why) => Err(why.into()),
        }
    }

    fn history(&self) -> History {
        let off = self.decided.recoveries_disabled.as_ref();
        let recoveries = self.decided.recoveries.iter();
        History {
            switch: off.map_or(GlobalSwitch::On, |off| GlobalSwitch::Off {
                by: off.by.clone(),
            }),
            recoveries: recoveries
                .map(|(id, recovery)| PastRecovery::of(*id, recovery))
                .collect(),
        }
    }

    /// Alias of a cluster; empty when it has none.
    pub fn alias(&self, cluster: &str, config: &Config) -> String {
        let (topology, picture) = (&self.topology, &self.picture);
        let patterns = &config.cluster_aliases;
        cluster_alias(cluster, topology, picture, &self.decided, patterns)
    }
}

/// Whether filters of configuration, by which dead servers are replaced by themselves, name a cluster.
pub(super) fn is_named(filters: &[String], cluster: &str, alias: &str) -> bool {
    let alias = match alias {
        "" => cluster,
        alias => alias,
    };
    cluster_filters_match(filters, cluster, alias)
}

/// Domain of a primary's cluster, as that was when it was last seen; empty when it has none.
pub(super) fn domain_of(picture: &Picture, primary: &InstanceKey) -> String {
    let seen = picture.observation(primary);
    seen.map(|seen| seen.cluster_domain.clone())
        .unwrap_or_default()
}
