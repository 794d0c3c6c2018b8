use std::sync::Arc;

use super::super::samples::{NOW, Sample, key, pattern, server, two_clusters, with};
use super::*;
use orchestrator_core::domain::{
    ClusterAlias, Downtime, HostFilters, MovedAlias, RecoveryId, ThreadState, Timestamp,
};

fn names<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> String {
    let names = entries.into_iter().map(|entry| entry.key().to_string());
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn all_instances_come_by_depth_replicas_cluster_host_and_port() {
    assert_eq!(
        names(two_clusters().view().by_depth()),
        "db1:3306 shop-a.example:3307 db2:3306 10.0.0.1:3306 db3:3306 shop-b.example:3307 db10:3306"
    );
}

#[test]
fn search_finds_parts_of_names_and_exact_numbers() {
    let mut sample = two_clusters();
    sample.records[2] = with(sample.records[2].clone(), |seen| {
        seen.identity.server_id = 77;
        seen.identity.version = "10.11.9-MariaDB".into();
    });
    let view = sample.view();
    for (text, found) in [
        ("db10", "db10:3306"),
        ("B1", "db1:3306 db2:3306 10.0.0.1:3306 db3:3306 db10:3306"),
        ("mariadb", "db3:3306"),
        ("77", "db3:3306"),
        ("7", "shop-a.example:3307 shop-b.example:3307"),
        ("3307", "shop-a.example:3307 shop-b.example:3307"),
        ("main", "db1:3306 db2:3306 10.0.0.1:3306 db3:3306 db10:3306"),
        ("nothing", ""),
    ] {
        assert_eq!(names(view.search(text)), found, "{text}");
    }
    assert_eq!(view.search("").len(), 7);
}

#[test]
fn direct_replicas_leave_out_those_further_below_and_the_detached() {
    let view = two_clusters().view();
    assert_eq!(
        names(view.replicas_of(&key("db1"))),
        "10.0.0.1:3306 db2:3306 db3:3306"
    );
    assert_eq!(names(view.replicas_of(&key("unknown"))), "");
}

#[test]
fn each_cluster_has_one_writable_primary_or_none() {
    let read_only = |name: &str| with(server(name, None), |seen| seen.read_only = true);
    let writable =
        |name: &str, source: &str| with(server(name, Some(source)), |seen| seen.read_only = false);
    let sample = Sample::of(vec![
        writable("a", "b"),
        writable("b", "a"),
        read_only("x"),
        writable("y", "x"),
        writable("z", "stranger"),
    ]);
    let view = sample.view();
    assert_eq!(names(view.writable_primaries()), "a:3306");
    let primary = |name: &str| {
        let cluster = view.cluster_by_hint(name).unwrap();
        view.primary(cluster)
            .map(|entry| entry.key().to_string())
            .map_err(|error| error.to_string())
    };
    assert_eq!(primary("x"), Ok("x:3306".into()), "read-only but the head");
    assert_eq!(
        primary("z"),
        Err("no primary of the cluster stranger:3306 is known".into())
    );
}

#[test]
fn of_two_co_primaries_the_writable_one_is_the_primary() {
    let sample = Sample::of(vec![
        server("a", Some("b")),
        with(server("b", Some("a")), |seen| seen.read_only = false),
    ]);
    let view = sample.view();
    assert_eq!(names(view.writable_primaries()), "b:3306");
    let cluster = view.cluster_by_hint("a").unwrap();
    assert_eq!(names([view.primary(cluster).unwrap()]), "b:3306");
}

#[test]
fn control_replicas_are_two_of_each_kind() {
    let busy = |name: &str, source: &str, replicas: usize| {
        with(server(name, Some(source)), |seen| {
            seen.replicas = (0..replicas).map(|i| key(&format!("r{i}"))).collect();
        })
    };
    let mut records = vec![
        server("head", None),
        busy("im1", "head", 3),
        busy("im2", "head", 5),
        busy("im3", "head", 4),
        busy("under1", "im1", 0),
        busy("under2", "im2", 1),
        busy("under2b", "im2", 0),
        busy("under3", "im3", 0),
        busy("third1", "under2", 0),
        busy("third2", "under2", 0),
        busy("third3", "under2", 0),
        busy("leaf1", "head", 0),
        busy("leaf2", "head", 0),
        busy("leaf3", "head", 0),
    ];
    let picked = |records: &[_], ignore: &[&str]| {
        let mut sample = Sample::of(records.to_vec());
        sample.config.osc_ignore = HostFilters::parse(ignore).unwrap();
        let view = sample.view();
        let cluster = view.cluster_by_hint("head").unwrap();
        names(view.control_replicas(cluster)).replace(":3306", "")
    };
    assert_eq!(
        picked(&records, &[]),
        "im2 im3 under2 under3 third1 third2 leaf1 leaf2"
    );
    assert_eq!(
        picked(&records, &["^im[23]", "third", "leaf1"]),
        "im1 under1 leaf2 leaf3"
    );
    records[11].last_seen_at = Some(Timestamp::from_seconds(1));
    assert!(
        picked(&records, &[]).ends_with("leaf2 leaf3"),
        "not the invalid leaf1"
    );
}

#[test]
fn problems_leave_out_the_downtimed_and_the_ignored() {
    let broken = |name: &str| {
        with(server(name, Some("db1")), |seen| {
            let link = seen.replication.as_mut().unwrap();
            link.applier = ThreadState::Stopped;
        })
    };
    let mut sample = Sample::of(vec![
        server("db1", None),
        broken("db2"),
        broken("db3"),
        broken("10.0.0.9"),
        broken("10.0.0.99"),
    ]);
    sample.config.problem_ignore = HostFilters::parse(["10.0.0.9"]).unwrap();
    let downtime = Downtime {
        owner: "me".into(),
        reason: "disk".into(),
        begins_at: NOW,
        ends_at: NOW.plus(std::time::Duration::from_secs(60)),
    };
    sample.decided.downtimes.insert(key("db3"), downtime);
    let view = sample.view();
    let problems = |at: Timestamp, cluster| names(view.at(at).with_problems(cluster));
    assert_eq!(problems(NOW, None), "10.0.0.99:3306 db2:3306");
    assert_eq!(problems(NOW, Some("db1:3306")), "10.0.0.99:3306 db2:3306");
    assert_eq!(
        problems(NOW, Some("db1")),
        "",
        "the name is taken literally"
    );
    let later = NOW.plus(std::time::Duration::from_secs(60));
    assert!(
        problems(later, None).contains("db3"),
        "its downtime is over"
    );
    assert_eq!(names(view.at(NOW).downtimed(None)), "db3:3306");
    assert_eq!(names(view.at(later).downtimed(None)), "");
}

#[test]
fn after_a_split_the_living_half_keeps_the_alias() {
    let named = |name: &str, source: Option<&str>| {
        with(server(name, source), |seen| {
            seen.cluster_alias = "main".into()
        })
    };
    let old = with(named("a-old", None), |seen| seen.read_only = true);
    let sample = Sample::of(vec![old, named("new", None), named("r", Some("new"))]);
    let view = sample.view();
    let cluster = view.cluster_by_alias("main").unwrap();
    assert_eq!(&*cluster.name, "new:3306");
    let other = view.cluster_by_hint("a-old").unwrap();
    assert_eq!(view.alias_of(other), "a-old:3306");
}

#[test]
fn aliases_come_from_the_head_then_from_patterns_and_are_inherited() {
    let mut sample = two_clusters();
    sample.config.cluster_name_to_alias = vec![
        (pattern("^shop"), "shop".into()),
        (pattern("."), "all".into()),
    ];
    let view = sample.view();
    let alias = |hint: &str| {
        view.alias_of(view.cluster_by_hint(hint).unwrap())
            .to_owned()
    };
    assert_eq!(alias("db1"), "main");
    assert_eq!(alias("shop-a.example:3307"), "shop");
    let below = view.entry(&key("db10")).unwrap();
    assert_eq!(&*below.suggested_alias, "main");
}

fn row(alias: &str, set_by: Option<&str>, from: Option<&str>) -> ClusterAlias {
    ClusterAlias {
        alias: alias.to_owned(),
        set_by: set_by.map(str::to_owned),
        at: NOW,
        moved: from.map(|from| MovedAlias {
            from: from.to_owned(),
            recovery: RecoveryId::from_number(1),
        }),
    }
}

/// Holder of each alias, with what the members of its cluster suggest.
fn holders(sample: &Sample, aliases: &[&str]) -> String {
    let view = sample.view();
    let all = aliases.iter().map(|alias| {
        let cluster = view.cluster_by_alias(alias).map(|cluster| &*cluster.name);
        format!("{alias}={}", cluster.unwrap_or("-"))
    });
    all.collect::<Vec<_>>().join(" ")
}

#[test]
fn an_alias_set_by_hand_wins_over_queries_and_patterns_and_over_other_clusters() {
    let mut sample = two_clusters();
    sample.config.cluster_name_to_alias = vec![(pattern("^shop"), "shop".into())];
    assert_eq!(
        holders(&sample, &["main", "shop"]),
        "main=db1:3306 shop=shop-a.example:3307"
    );
    let put = |sample: &mut Sample, cluster: &str, row| {
        sample
            .decided
            .cluster_aliases
            .insert(cluster.to_owned(), row);
    };
    put(
        &mut sample,
        "shop-a.example:3307",
        row("main", Some("ann"), None),
    );
    assert_eq!(
        holders(&sample, &["main", "shop", "db1:3306"]),
        "main=shop-a.example:3307 shop=- db1:3306=db1:3306",
        "what a server says is worth less than what somebody has set"
    );
    let view = sample.view();
    let below = view.entry(&key("shop-b.example:3307")).unwrap();
    assert_eq!(&*below.suggested_alias, "main");
    // What a recovery has brought along counts where nothing else names the cluster.
    let mut sample = two_clusters();
    put(&mut sample, "db1:3306", row("old", None, Some("x:3306")));
    put(
        &mut sample,
        "shop-a.example:3307",
        row("shop", None, Some("y:3306")),
    );
    assert_eq!(
        holders(&sample, &["main", "old", "shop"]),
        "main=db1:3306 old=- shop=shop-a.example:3307"
    );
}

#[test]
fn only_what_was_decided_changes_a_view_and_an_alias_does() {
    let mut sample = two_clusters();
    let before = sample.view();
    sample
        .decided
        .cluster_aliases
        .insert("db1:3306".to_owned(), row("store", Some("ann"), None));
    let after = View::build(
        Some(&before),
        before.picture.clone(),
        Arc::new(sample.decided.clone()),
        before.config.clone(),
    );
    let alias = after.cluster_by_alias("store").unwrap();
    assert_eq!(&*alias.name, "db1:3306");
}

#[test]
fn an_old_primary_that_is_back_does_not_take_the_alias_with_it() {
    let named = |name: &str| {
        with(server(name, None), |seen| {
            seen.cluster_alias = "main".into()
        })
    };
    // Both are well and take writes; of equals the first has the alias.
    let mut sample = Sample::of(vec![named("a"), named("b")]);
    assert_eq!(holders(&sample, &["main"]), "main=a:3306");
    sample
        .decided
        .cluster_aliases
        .insert("b:3306".to_owned(), row("main", None, Some("a:3306")));
    assert_eq!(holders(&sample, &["main"]), "main=b:3306");
    // The promoted server is not seen as a head yet.
    let mut early = Sample::of(vec![named("a"), server("b", Some("a"))]);
    early.decided = sample.decided.clone();
    assert_eq!(holders(&early, &["main"]), "main=a:3306");
    // One that was set by hand leads to the promoted server meanwhile.
    let set = row("shop", Some("ann"), Some("a:3306"));
    early
        .decided
        .cluster_aliases
        .insert("b:3306".to_owned(), set);
    assert_eq!(holders(&early, &["shop"]), "shop=a:3306");
}

#[test]
fn ancestry_runs_from_the_head_down_and_never_around_a_ring() {
    let named = |name: &str, source: Option<&str>| {
        with(server(name, source), |seen| {
            seen.identity.server_uuid = format!("uuid-{name}");
        })
    };
    let ancestry = |records: Vec<_>, name: &str| {
        let view = Sample::of(records).view();
        view.entry(&key(name)).unwrap().ancestry.to_string()
    };
    let tree = || {
        vec![
            named("a", None),
            named("b", Some("a")),
            named("c", Some("b")),
        ]
    };
    assert_eq!(ancestry(tree(), "a"), "uuid-a");
    assert_eq!(ancestry(tree(), "c"), "uuid-a,uuid-b,uuid-c");
    let pair = || vec![named("a", Some("b")), named("b", Some("a"))];
    assert_eq!(ancestry(pair(), "a"), "uuid-a");
    assert_eq!(ancestry(pair(), "b"), "uuid-a,uuid-b");
    let ring = || {
        vec![
            named("a", Some("b")),
            named("b", Some("c")),
            named("c", Some("a")),
        ]
    };
    assert_eq!(ancestry(ring(), "b"), "uuid-a,uuid-c,uuid-b");
}

#[test]
fn a_view_made_from_the_one_before_equals_one_made_anew() {
    let with_gtid = |name: &str, source: Option<&str>, executed: &str| {
        with(server(name, source), |seen| {
            seen.identity.server_uuid = format!("uuid-{name}");
            seen.gtid.executed = executed.into();
        })
    };
    let first = vec![
        with_gtid("a", None, "uuid-a:1-5"),
        with_gtid("b", Some("a"), "uuid-a:1-5,uuid-b:1"),
        with_gtid("c", Some("b"), "uuid-a:1-5,uuid-b:1"),
    ];
    let mut changes = vec![first.clone(); 5];
    changes[1][0] = with_gtid("a", None, "uuid-a:1-5,uuid-b:1");
    changes[2][2] = with_gtid("c", Some("a"), "uuid-a:1-5,uuid-x:1");
    changes[3].remove(0);
    changes[4][0] = with(first[0].clone(), |seen| {
        seen.identity.server_uuid = "uuid-b".into();
    });
    let shown = |view: &View| {
        let entries = view.entries().iter();
        let entries = entries.map(|entry| {
            let place = &entry.place;
            format!(
                "{} {} {} [{}] [{}]",
                entry.key(),
                place.cluster,
                place.depth,
                entry.ancestry,
                entry.errant
            )
        });
        entries.collect::<Vec<_>>().join("\n")
    };
    // The same records are shared by reference where they are equal, as they are in a picture that grows.
    let kept: std::sync::Arc<orchestrator_core::domain::Picture> =
        std::sync::Arc::new(first.iter().cloned().collect());
    let before = View::build(None, kept.clone(), Default::default(), config());
    for change in changes {
        let mut picture = (*kept).clone();
        for record in &first {
            if !change.iter().any(|other| other.key == record.key) {
                picture.remove(&record.key);
            }
        }
        for record in &change {
            if !first.contains(record) {
                picture.put(record.clone());
            }
        }
        let picture = std::sync::Arc::new(picture);
        let after = View::build(Some(&before), picture.clone(), Default::default(), config());
        let anew = View::build(None, picture, Default::default(), config());
        assert_eq!(shown(&after), shown(&anew));
    }
}

#[test]
fn a_view_shares_all_but_the_decided_state_when_only_that_changed() {
    use std::sync::Arc;
    let picture = Arc::new(two_clusters().picture());
    let config = config();
    let before = View::build(None, picture.clone(), Default::default(), config.clone());
    let decided = Arc::new(orchestrator_core::decided::Decided {
        applied_index: 7,
        ..Default::default()
    });
    let after = View::build(
        Some(&before),
        picture.clone(),
        decided.clone(),
        config.clone(),
    );
    assert!(Arc::ptr_eq(&after.decided, &decided));
    assert!(Arc::ptr_eq(&after.entries, &before.entries));
    // Another picture, even of the same version, and another configuration are looked at anew.
    let same = Arc::new((*picture).clone());
    let anew = View::build(Some(&before), same, decided.clone(), config);
    assert!(!Arc::ptr_eq(&anew.aliases, &before.aliases));
    let anew = View::build(Some(&before), picture, decided, self::config());
    assert!(!Arc::ptr_eq(&anew.aliases, &before.aliases));
}

fn config() -> std::sync::Arc<crate::api::ApiConfig> {
    std::sync::Arc::new(super::super::samples::config())
}
