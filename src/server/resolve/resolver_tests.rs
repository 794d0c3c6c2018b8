use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use orchestrator_core::domain::Timestamp;
use regex::Regex;

use super::*;
use crate::resolve::LookupError;

/// A name service that answers from a table, counts, and may hang.
#[derive(Default)]
struct Scripted {
    names: HashMap<&'static str, &'static str>,
    addresses: HashMap<&'static str, Vec<IpAddr>>,
    asked: AtomicUsize,
    fails: std::sync::atomic::AtomicBool,
    hangs: bool,
}

impl Scripted {
    async fn gate(&self) -> Result<(), LookupError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        // As a real service: the answer does not come at once.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        match self.fails.load(Ordering::Relaxed) {
            true => Err(LookupError("SERVFAIL".into())),
            false => Ok(()),
        }
    }
}

impl Lookup for Scripted {
    fn canonical_name<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<String, LookupError>> {
        Box::pin(async move {
            self.gate().await?;
            let found = self.names.get(host).ok_or(LookupError("NXDOMAIN".into()))?;
            Ok((*found).to_owned())
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupError>> {
        Box::pin(async move {
            self.gate().await?;
            self.addresses
                .get(host)
                .cloned()
                .ok_or(LookupError("NXDOMAIN".into()))
        })
    }
}

/// Time as the test steps it.
#[derive(Default)]
struct SteppedClock(Mutex<Duration>);

impl SteppedClock {
    fn step(&self, length: Duration) {
        *self.0.lock().unwrap() += length;
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::default().plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn sleep(&self, length: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(length))
    }
}

struct World {
    resolver: Arc<CachedResolver>,
    lookup: Arc<Scripted>,
    clock: Arc<SteppedClock>,
    config: watch::Sender<Arc<Config>>,
}

impl World {
    fn asked(&self) -> usize {
        self.lookup.asked.load(Ordering::Relaxed)
    }
}

fn world(config: Config, lookup: Scripted) -> World {
    let (config, receiver) = watch::channel(Arc::new(config));
    let lookup = Arc::new(lookup);
    let clock = Arc::new(SteppedClock::default());
    let mut resolver = CachedResolver::new(receiver, lookup.clone(), clock.clone());
    resolver.limit = Duration::from_millis(200);
    World {
        resolver: Arc::new(resolver),
        lookup,
        clock,
        config,
    }
}

fn with(method: Method) -> Config {
    Config {
        method,
        ..Config::default()
    }
}

fn cname_table() -> Scripted {
    Scripted {
        names: HashMap::from([
            ("alias", "db1.example"),
            ("db1.example", "db1.example"),
            ("evil", "a'; DROP"),
        ]),
        ..Scripted::default()
    }
}

async fn resolve(world: &World, host: &str) -> Result<String, ResolveError> {
    let host = HostName::parse(host).unwrap();
    world
        .resolver
        .resolve(host)
        .await
        .map(|host| host.to_string())
}

#[tokio::test]
async fn names_are_left_alone_by_default_and_nobody_is_asked() {
    let world = world(Config::default(), cname_table());
    assert_eq!(resolve(&world, "alias").await.unwrap(), "alias");
    assert_eq!(world.asked(), 0);
}

#[tokio::test]
async fn aliases_become_their_canonical_name_once_an_hour() {
    let world = world(with(Method::Cname), cname_table());
    for _ in 0..3 {
        assert_eq!(resolve(&world, "alias").await.unwrap(), "db1.example");
    }
    assert_eq!(resolve(&world, "10.0.0.1").await.unwrap(), "10.0.0.1");
    assert_eq!(world.asked(), 1);
    world.clock.step(Duration::from_secs(3601));
    assert_eq!(resolve(&world, "alias").await.unwrap(), "db1.example");
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn addresses_prefer_the_fourth_version() {
    let table = Scripted {
        addresses: HashMap::from([
            (
                "both",
                vec!["::1".parse().unwrap(), "10.0.0.7".parse().unwrap()],
            ),
            ("six", vec!["2001:db8::7".parse().unwrap()]),
            ("none", vec![]),
        ]),
        ..Scripted::default()
    };
    let world = world(with(Method::Ip), table);
    assert_eq!(resolve(&world, "both").await.unwrap(), "10.0.0.7");
    assert_eq!(resolve(&world, "six").await.unwrap(), "2001:db8::7");
    assert!(resolve(&world, "none").await.is_err());
}

#[tokio::test]
async fn a_failed_name_stands_for_itself_for_a_minute() {
    let world = world(with(Method::Cname), cname_table());
    let error = resolve(&world, "unknown").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the host name 'unknown' could not be resolved: NXDOMAIN"
    );
    assert_eq!(resolve(&world, "unknown").await.unwrap(), "unknown");
    assert_eq!(world.asked(), 1);
    world.clock.step(Duration::from_secs(61));
    assert!(resolve(&world, "unknown").await.is_err(), "asked again");
}

#[tokio::test]
async fn a_known_name_keeps_its_result_while_the_name_service_fails() {
    let world = world(with(Method::Cname), cname_table());
    assert_eq!(resolve(&world, "alias").await.unwrap(), "db1.example");
    world.lookup.fails.store(true, Ordering::Relaxed);
    world.clock.step(Duration::from_secs(3601));
    assert_eq!(resolve(&world, "alias").await.unwrap(), "db1.example");
    world.clock.step(Duration::from_secs(3700));
    assert!(resolve(&world, "alias").await.is_err(), "too old now");
}

#[tokio::test]
async fn a_silent_name_service_is_not_waited_for_beyond_the_limit() {
    let silent = Scripted {
        hangs: true,
        ..Scripted::default()
    };
    let world = world(with(Method::Cname), silent);
    let error = resolve(&world, "alias").await.unwrap_err();
    assert_eq!(error.reason, "no answer within 200ms");
}

#[tokio::test]
async fn rejected_and_hostile_results_are_not_used() {
    let config = Config {
        reject: Some(Regex::new("^db1").unwrap()),
        ..with(Method::Cname)
    };
    let world = world(config, cname_table());
    assert_eq!(resolve(&world, "alias").await.unwrap(), "alias");
    assert!(resolve(&world, "evil").await.is_err());
}

#[tokio::test]
async fn many_who_ask_the_same_cause_few_lookups() {
    let world = world(with(Method::Cname), cname_table());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let resolver = world.resolver.clone();
        let host = HostName::parse("alias").unwrap();
        asking.spawn(async move { resolver.resolve(host).await.unwrap() });
    }
    let answers = asking.join_all().await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_str() == "db1.example")
    );
    assert!(world.asked() <= PARALLEL_LOOKUPS);
}

#[tokio::test]
async fn a_reloaded_method_counts_at_once() {
    let world = world(with(Method::Cname), cname_table());
    assert_eq!(resolve(&world, "alias").await.unwrap(), "db1.example");
    world.config.send(Arc::new(with(Method::None))).unwrap();
    assert_eq!(resolve(&world, "alias").await.unwrap(), "alias");
    world.config.send(Arc::new(with(Method::Ip))).unwrap();
    assert!(
        resolve(&world, "alias").await.is_err(),
        "the cache was emptied"
    );
}

#[test]
fn words_for_the_method_are_read_ignoring_case() {
    for (word, method) in [
        ("cname", Method::Cname),
        ("CNAME", Method::Cname),
        ("ip", Method::Ip),
        ("default", Method::None),
        ("none", Method::None),
        ("odd", Method::None),
    ] {
        assert_eq!(Method::from_word(word), method, "{word}");
    }
}
