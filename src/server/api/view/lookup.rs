use orchestrator_core::domain::InstanceKey;
use orchestrator_core::topology::Cluster;

use super::{Entry, View};

/// A name that nothing here has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// An instance.
    #[error("{key} is not known; discover it first")]
    UnknownInstance {
        /// The instance.
        key: InstanceKey,
    },
    /// A hint for a cluster.
    #[error(
        "no cluster is known by '{}'; give a cluster name, an alias, or a known instance as host:port",
        hint.escape_debug()
    )]
    UnknownCluster {
        /// The hint.
        hint: String,
    },
    /// An alias.
    #[error("no cluster has the alias '{}'", alias.escape_debug())]
    UnknownAlias {
        /// The alias.
        alias: String,
    },
    /// A cluster without a head that was ever seen.
    #[error("no primary of the cluster {cluster} is known")]
    NoPrimary {
        /// Name of the cluster.
        cluster: String,
    },
}

impl View {
    /// The instance that a key names: itself when it is known, else the one known instance on that port whose host
    /// contains the text. An IPv4 address, or a part of one, is never completed: `10.0.0.1` is not short for `10.0.0.12`.
    pub fn figure(&self, key: &InstanceKey) -> Option<&Entry> {
        if let Some(entry) = self.entry(key) {
            return Some(entry);
        }
        let part = key.host().as_str().to_ascii_lowercase();
        if part.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return None;
        }
        let mut fitting = self.entries().iter().filter(|entry| {
            let known = entry.key();
            known.port() == key.port() && known.host().as_str().to_ascii_lowercase().contains(&part)
        });
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }

    /// The cluster with this name, this alias, or this instance, each written out.
    pub fn cluster_called(&self, text: &str) -> Option<&Cluster> {
        let by_name = self.topology.cluster(text);
        by_name.or_else(|| self.cluster_of_alias(text)).or_else(|| {
            let key = InstanceKey::parse(text, self.config.default_instance_port).ok()?;
            self.topology.cluster(&self.entry(&key)?.place.cluster)
        })
    }

    /// The cluster that a hint names: by exact name, exact alias, known instance, or unique part of a host.
    ///
    /// # Errors
    /// [`LookupError::UnknownCluster`].
    pub fn cluster_by_hint(&self, hint: &str) -> Result<&Cluster, LookupError> {
        self.topology
            .cluster(hint)
            .or_else(|| self.cluster_of_alias(hint))
            .or_else(|| self.cluster_by_instance_text(hint))
            .ok_or_else(|| LookupError::UnknownCluster {
                hint: hint.to_owned(),
            })
    }

    fn cluster_by_instance_text(&self, hint: &str) -> Option<&Cluster> {
        let key = InstanceKey::parse(hint, self.config.default_instance_port).ok()?;
        self.topology.cluster(&self.figure(&key)?.place.cluster)
    }

    fn cluster_of_alias(&self, alias: &str) -> Option<&Cluster> {
        self.topology.cluster(self.aliases.holder(alias)?)
    }

    /// The cluster that has an alias; a cluster without one has its name as alias.
    ///
    /// # Errors
    /// [`LookupError::UnknownAlias`].
    pub fn cluster_by_alias(&self, alias: &str) -> Result<&Cluster, LookupError> {
        let unnamed = |name| {
            let cluster = self.topology.cluster(name);
            cluster.filter(|cluster| self.aliases.of(&cluster.name).is_none())
        };
        self.cluster_of_alias(alias)
            .or_else(|| unnamed(alias))
            .ok_or_else(|| LookupError::UnknownAlias {
                alias: alias.to_owned(),
            })
    }

    /// The cluster of a known instance.
    ///
    /// # Errors
    /// [`LookupError::UnknownInstance`].
    pub fn cluster_by_instance(&self, key: &InstanceKey) -> Result<&Cluster, LookupError> {
        self.figure(key)
            .and_then(|entry| self.topology.cluster(&entry.place.cluster))
            .ok_or_else(|| LookupError::UnknownInstance { key: key.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{key, two_clusters};

    #[test]
    fn hints_are_tried_as_name_alias_instance_and_part_of_a_host() {
        let view = two_clusters().view();
        for (hint, cluster) in [
            ("db1:3306", Some("db1:3306")),
            ("main", Some("db1:3306")),
            ("db3", Some("db1:3306")),
            ("db2:3306", Some("db1:3306")),
            ("b10", Some("db1:3306")),
            ("shop-a:3307", Some("shop-a.example:3307")),
            ("SHOP-B:3307", Some("shop-a.example:3307")),
            ("10.0.0.1", Some("db1:3306")),
            // On the default port there is no shop-a.
            ("shop-a", None),
            ("example:3307", None),
            ("db", None),
            ("db1:99", None),
            ("", None),
            ("no such", None),
            ("10.0.0.", None),
            ("10.0.0.12", None),
        ] {
            let found = view.cluster_by_hint(hint).ok();
            let found = found.map(|cluster| &*cluster.name);
            assert_eq!(found, cluster, "{hint:?}");
        }
        assert_eq!(
            view.cluster_by_hint("x\n").unwrap_err().to_string(),
            "no cluster is known by 'x\\n'; give a cluster name, an alias, or a known instance as host:port"
        );
    }

    #[test]
    fn an_exact_instance_wins_over_its_namesakes_and_an_address_is_not_completed() {
        let view = two_clusters().view();
        let figured = |text: &str| view.figure(&key(text)).map(|entry| entry.key().to_string());
        assert_eq!(figured("db1"), Some("db1:3306".into()), "db10 is known too");
        assert_eq!(figured("db10"), Some("db10:3306".into()));
        assert_eq!(figured("b10"), Some("db10:3306".into()));
        assert_eq!(figured("db"), None, "several fit");
        assert_eq!(figured("10.0.0.1"), Some("10.0.0.1:3306".into()));
        assert_eq!(figured("0.0.0.1"), None);
    }

    #[test]
    fn an_alias_is_found_exactly_and_a_nameless_cluster_by_its_name() {
        let view = two_clusters().view();
        let found = |alias: &str| {
            let cluster = view.cluster_by_alias(alias).ok();
            cluster.map(|cluster| cluster.name.to_string())
        };
        assert_eq!(found("main"), Some("db1:3306".into()));
        assert_eq!(found("db1:3306"), None, "it has another alias");
        assert_eq!(
            found("shop-a.example:3307"),
            Some("shop-a.example:3307".into())
        );
        assert_eq!(
            view.cluster_by_alias("x").unwrap_err().to_string(),
            "no cluster has the alias 'x'"
        );
    }
}
