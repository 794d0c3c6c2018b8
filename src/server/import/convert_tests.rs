use super::*;
use orchestrator_core::legacy::tables::OLD_TABLES;
use orchestrator_core::ports::OldRows;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

pub(in crate::import) fn config() -> Config {
    Config {
        candidate_lifetime: Duration::from_secs(3_600),
        detection_block_period: Duration::from_secs(3_600),
        kept_for: Duration::from_secs(7 * 24 * 3_600),
        instances_kept_for: Duration::from_secs(240 * 3_600),
        changes_nothing: false,
    }
}

/// A row of the table with these columns set; times are seconds from [`NOW`] on, with their sign.
fn row(table: &OldTable, cells: &[(&str, &str)]) -> Vec<Option<String>> {
    let mut row = vec![None; table.columns.len()];
    for (column, text) in cells {
        let place = table
            .place(column)
            .unwrap_or_else(|| panic!("no column {column}"));
        row[place] = Some((*text).to_owned());
    }
    row
}

pub(in crate::import) fn at(seconds: i64) -> String {
    (NOW.as_seconds() + seconds).to_string()
}

/// The cells of a row that are set, by column.
type Cells<'a> = [(&'a str, &'a str)];

/// A table, and rows of it.
type Written<'a> = (&'a OldTable, &'a [&'a Cells<'a>]);

/// Tables by name; those that are not named are empty.
pub(in crate::import) fn old(tables: &[Written<'_>]) -> OldState {
    let mut state = OldState {
        read_at: NOW,
        ..OldState::default()
    };
    for table in OLD_TABLES {
        state.tables.insert(table.name, OldRows::default());
    }
    for (table, rows) in tables {
        let known = OLD_TABLES
            .iter()
            .find(|known| known.name == table.name)
            .unwrap();
        let rows = rows.iter().map(|cells| row(table, cells)).collect();
        state.tables.insert(
            known.name,
            OldRows {
                rows,
                has_more: false,
            },
        );
    }
    state
}

fn key(name: &str) -> InstanceKey {
    InstanceKey::parse(name, 3306).unwrap()
}

fn whys(left: &[LeftRow]) -> Vec<&str> {
    left.iter().map(|row| row.why.as_str()).collect()
}

const A: (&str, &str) = ("hostname", "a");
const PORT: (&str, &str) = ("port", "3306");

#[test]
fn a_downtime_keeps_owner_reason_and_times_and_one_that_is_over_stays_behind() {
    let (begin, end, over) = (at(-60), at(60), at(0));
    let own = [
        ("owner", "ann"),
        ("reason", "disk"),
        ("begin_timestamp", begin.as_str()),
    ];
    let active: Vec<_> = [A, PORT, ("downtime_active", "1"), ("end_timestamp", &end)]
        .into_iter()
        .chain(own)
        .collect();
    let past: Vec<_> = [
        ("hostname", "b"),
        PORT,
        ("downtime_active", "1"),
        ("end_timestamp", &over),
    ]
    .into_iter()
    .chain(own)
    .collect();
    let ended: Vec<_> = [("hostname", "c"), PORT, ("end_timestamp", &end)]
        .into_iter()
        .chain(own)
        .collect();
    let found = convert(
        &old(&[(&DOWNTIMES, &[&active, &past, &ended])]),
        &config(),
        NOW,
    );
    let expected = Downtime {
        owner: "ann".to_owned(),
        reason: "disk".to_owned(),
        begins_at: NOW.minus(Duration::from_secs(60)),
        ends_at: NOW.plus(Duration::from_secs(60)),
    };
    assert_eq!(found.rows, [ImportedRow::Downtime(key("a"), expected)]);
    assert_eq!(found.refused, []);
    assert_eq!(
        whys(&found.left),
        ["the downtime is over", "the downtime was ended"]
    );
    assert_eq!(found.left[0].row, "1 row");
}

#[test]
fn rows_that_make_no_sense_are_refused_one_by_one_and_named() {
    let end = at(60);
    let downtime = |host: &'static str, port: &'static str, begin: &'static str| {
        vec![
            ("hostname", host),
            ("port", port),
            ("downtime_active", "1"),
            ("begin_timestamp", begin),
        ]
    };
    let with_end = |mut cells: Vec<(&'static str, &'static str)>, end: &'static str| {
        cells.push(("end_timestamp", end));
        cells
    };
    let end: &'static str = end.leak();
    let rows = [
        with_end(downtime("", "3306", end), end),
        with_end(downtime("a b", "3306", end), end),
        with_end(downtime("a", "0", end), end),
        with_end(downtime("a", "", end), end),
        with_end(downtime("b", "3306", "no time: yesterday"), end),
        downtime("c", "3306", end),
        with_end(downtime("d", "3306", end), "99999999999"),
        with_end(downtime("good", "3306", end), end),
        with_end(downtime("good", "3306", end), end),
    ];
    let rows: Vec<&[(&str, &str)]> = rows.iter().map(Vec::as_slice).collect();
    let candidates: [&[(&str, &str)]; 3] = [
        &[
            A,
            PORT,
            ("last_suggested", &at(-1)),
            ("promotion_rule", "maybe"),
        ],
        &[
            A,
            PORT,
            ("last_suggested", &at(-1)),
            ("promotion_rule", "must"),
        ],
        &[
            A,
            PORT,
            ("last_suggested", &at(-3_600)),
            ("promotion_rule", "prefer"),
        ],
    ];
    let disabled: [&[(&str, &str)]; 1] = [&[("disable_recovery", "x")]];
    let found = convert(
        &old(&[
            (&DOWNTIMES, &rows),
            (&CANDIDATES, &candidates),
            (&DISABLED, &disabled),
        ]),
        &config(),
        NOW,
    );
    assert_eq!(found.rows.len(), 1, "{:?}", found.rows);
    assert_eq!(
        whys(&found.refused),
        [
            "disable_recovery is 'x', which is no number",
            "hostname is empty",
            "'a b' is not a host name or address",
            "the port is 0; a server listens on 1 to 65535",
            "Invalid port: ",
            "begin_timestamp is 'no time: yesterday', which is no time",
            "end_timestamp is not set",
            "end_timestamp is '99999999999', which is no time",
            "another row is about the same, and is taken",
            "promotion_rule is 'maybe', which is none",
            "the promotion rule 'must' cannot be registered",
        ]
    );
    assert_eq!(found.refused[2].table, "database_instance_downtime");
    assert!(
        found.refused[2]
            .row
            .starts_with("hostname='a b', port='3306', ")
    );
    assert_eq!(whys(&found.left), ["the promotion rule has expired"]);
}

#[test]
fn a_recovery_is_history_with_its_record_and_its_detection() {
    let (begin, end, told) = (at(-600), at(-590), at(-595));
    let recovery: [(&str, &str); 18] = [
        ("recovery_id", "7"),
        ("uid", "1700:ab"),
        A,
        PORT,
        ("start_active_period", &begin),
        ("end_recovery", &end),
        ("processing_node_hostname", "orc1"),
        ("successor_hostname", "b"),
        ("successor_port", "3306"),
        ("analysis", "DeadMaster"),
        ("cluster_name", "a:3306"),
        ("slave_hosts", "b:3306,c:3306"),
        ("is_successful", "1"),
        ("acknowledged", "1"),
        ("acknowledged_by", "ann"),
        ("acknowledge_comment", "seen"),
        ("lost_slaves", "d:3306"),
        ("last_detection_id", "4"),
    ];
    let detection: [(&str, &str); 7] = [
        ("detection_id", "4"),
        A,
        PORT,
        ("in_active_period", "1"),
        ("start_active_period", &begin),
        ("analysis", "DeadMaster"),
        ("is_actionable", "1"),
    ];
    let steps: [&[(&str, &str)]; 3] = [
        &[
            ("recovery_step_id", "2"),
            ("recovery_uid", "1700:ab"),
            ("audit_at", &told),
            ("message", "two"),
        ],
        &[
            ("recovery_step_id", "1"),
            ("recovery_uid", "1700:ab"),
            ("audit_at", &told),
            ("message", "one"),
        ],
        &[
            ("recovery_step_id", "3"),
            ("recovery_uid", "other"),
            ("audit_at", &told),
            ("message", "x"),
        ],
    ];
    let state = old(&[
        (&RECOVERIES, &[&recovery]),
        (&DETECTIONS, &[&detection]),
        (&STEPS, &steps),
    ]);
    let found = convert(&state, &config(), NOW);
    assert_eq!(found.refused, []);
    let [
        ImportedRow::Detection { row: detected, .. },
        ImportedRow::Recovery {
            old,
            id,
            row,
            notes,
        },
    ] = found.rows.as_slice()
    else {
        panic!("{:?}", found.rows);
    };
    assert_eq!(detected.recovery, *id);
    assert_eq!(detected.active_until, NOW.plus(Duration::from_secs(3_000)));
    assert_eq!(*old, 7);
    let texts: Vec<&str> = notes.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["one", "two"]);
    assert!(row.is_the_predecessors());
    let end = row.end.as_ref().unwrap();
    assert_eq!(
        (end.outcome, end.successor.clone()),
        (RecoveryOutcome::Succeeded, Some(key("b")))
    );
    assert_eq!(end.lost, [key("d")]);
    let servers: Vec<_> = row
        .servers
        .iter()
        .map(|server| server.key.clone())
        .collect();
    assert_eq!(servers, [key("a"), key("b"), key("c"), key("d")]);
    let acknowledgement = row.acknowledgement.as_ref().unwrap();
    assert_eq!(
        (acknowledgement.by.as_str(), acknowledgement.at),
        ("ann", end.at)
    );
}

#[test]
fn a_recovery_that_never_ended_failed_and_one_of_an_unknown_finding_is_refused() {
    let (begin, long_ago) = (at(-600), at(-7 * 24 * 3_600));
    let recovery = |id: &'static str, analysis: &'static str, begin: &'static str| {
        vec![
            ("recovery_id", id),
            A,
            PORT,
            ("start_active_period", begin),
            ("analysis", analysis),
        ]
    };
    let (begin, long_ago): (&str, &str) = (begin.leak(), long_ago.leak());
    let rows = [
        recovery("1", "DeadMaster", begin),
        recovery("2", "DeadIntermediateMaster", begin),
        recovery("3", "DeadMaster", long_ago),
    ];
    let rows: Vec<&[(&str, &str)]> = rows.iter().map(Vec::as_slice).collect();
    let found = convert(&old(&[(&RECOVERIES, &rows)]), &config(), NOW);
    let [ImportedRow::Recovery { row, .. }] = found.rows.as_slice() else {
        panic!("{:?}", found.rows);
    };
    let end = row.end.as_ref().unwrap();
    assert_eq!(end.outcome, RecoveryOutcome::Failed);
    assert_eq!(
        end.errors,
        ["the predecessor has not written down how it ended"]
    );
    assert_eq!(
        whys(&found.refused),
        ["this release has no finding 'DeadIntermediateMaster'"]
    );
    assert_eq!(whys(&found.left), ["older than AuditPurgeDays"]);
}

#[test]
fn what_has_no_place_is_counted_with_its_reason() {
    let mut state = old(&[]);
    state.counts.insert("database_instance_tags", 12);
    state.counts.insert("audit", 0);
    state.tables.get_mut("topology_recovery").unwrap().has_more = true;
    let found = convert(&state, &config(), NOW);
    let left: Vec<_> = found
        .left
        .iter()
        .map(|row| (row.table, row.row.as_str()))
        .collect();
    assert_eq!(
        left,
        [
            ("topology_recovery", "older rows"),
            ("database_instance_tags", "12 rows")
        ]
    );
}

#[test]
fn portions_keep_the_order_are_bounded_and_the_last_says_so() {
    let (seen, begin) = (at(-5), at(-600));
    let hosts: Vec<String> = (0..600).map(|number| format!("db{number}")).collect();
    let instances: Vec<[(&str, &str); 3]> = hosts
        .iter()
        .map(|host| {
            [
                ("hostname", host.as_str()),
                PORT,
                ("last_seen", seen.as_str()),
            ]
        })
        .collect();
    let instances: Vec<&[(&str, &str)]> = instances.iter().map(<[_; 3]>::as_slice).collect();
    let recovery = |id: &'static str| {
        [
            ("recovery_id", id),
            A,
            PORT,
            ("start_active_period", begin.as_str()),
            ("analysis", "DeadMaster"),
        ]
    };
    let (one, two) = (recovery("9"), recovery("10"));
    let alias: [(&str, &str); 2] = [("cluster_name", "a:3306"), ("alias", "shop")];
    let state = old(&[
        (&INSTANCES, &instances),
        (&RECOVERIES, &[&two, &one]),
        (&ALIASES, &[&alias]),
    ]);
    let found = convert(&state, &config(), NOW);
    let portions = found.portions("s", "n");
    let sizes: Vec<usize> = portions.iter().map(|portion| portion.rows.len()).collect();
    assert_eq!(sizes, [1, 1, 1, 256, 256, 88]);
    assert!(portions[..5].iter().all(|portion| !portion.is_last) && portions[5].is_last);
    let positions: Vec<_> = portions
        .iter()
        .flat_map(|it| &it.rows)
        .map(ImportedRow::position)
        .collect();
    assert!(positions.is_sorted());
    assert_eq!(found.offered()[5], ("recoveries", 2));
    let nothing = convert(&old(&[]), &config(), NOW).portions("s", "n");
    assert_eq!(nothing.len(), 1);
    assert!(nothing[0].is_last && nothing[0].rows.is_empty());
}
