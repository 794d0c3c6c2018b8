//! Holds the map of `docs/ARCHITECTURE.md` true: which module may import which, and that no file hides an exception.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules of the core crate, and what of the core each may import beside itself.
const CORE: [(&str, &[&str]); 9] = [
    ("domain", &[]),
    ("beats", &["domain"]),
    ("topology", &["domain", "legacy"]),
    ("decided", &["domain"]),
    (
        "analysis",
        &["domain", "topology", "decided", "beats", "legacy"],
    ),
    (
        "recovery",
        &[
            "domain", "topology", "decided", "beats", "analysis", "legacy",
        ],
    ),
    ("isolation", &["domain"]),
    ("legacy", &["domain"]),
    ("ports", &["domain", "decided", "beats", "isolation"]),
];

/// Modules of the service: (name, its own siblings it may import, modules of the core it may import).
const SERVER: [(&str, &[&str], &[&str]); 18] = [
    ("sockets", &[], &[]),
    (
        "beats",
        &[],
        &[
            "domain", "beats", "ports", "analysis", "topology", "decided", "legacy",
        ],
    ),
    ("wire", &[], &["domain", "decided"]),
    (
        "store",
        &["wire", "mysql"],
        &["domain", "decided", "ports", "legacy"],
    ),
    ("mysql", &[], &["domain", "beats", "ports", "legacy"]),
    ("resolve", &[], &["domain", "ports"]),
    (
        "discovery",
        &[],
        &["domain", "decided", "ports", "topology"],
    ),
    (
        "raft",
        &["wire", "store", "sockets"],
        &["domain", "decided", "ports"],
    ),
    ("hooks", &[], &["domain", "ports", "legacy"]),
    (
        "executor",
        &[],
        &[
            "domain", "beats", "decided", "ports", "topology", "analysis", "recovery", "legacy",
        ],
    ),
    (
        "guard",
        &[],
        &[
            "domain",
            "isolation",
            "decided",
            "ports",
            "topology",
            "analysis",
            "legacy",
        ],
    ),
    ("effects", &[], &["domain", "decided", "ports"]),
    ("import", &[], &["domain", "decided", "ports", "legacy"]),
    ("telemetry", &[], &["domain"]),
    (
        "api",
        &["sockets"],
        &[
            "domain", "beats", "decided", "ports", "legacy", "topology", "analysis", "recovery",
        ],
    ),
    ("cli", &["config"], &["domain", "legacy"]),
    ("config", &[], &["domain", "legacy"]),
    (
        "node",
        &[
            "wire",
            "store",
            "mysql",
            "beats",
            "resolve",
            "hooks",
            "discovery",
            "executor",
            "guard",
            "raft",
            "effects",
            "import",
            "telemetry",
            "api",
            "cli",
            "config",
        ],
        &[
            "domain",
            "beats",
            "decided",
            "ports",
            "legacy",
            "topology",
            "analysis",
            "recovery",
            "isolation",
        ],
    ),
];

/// Libraries that only some modules know.
const LIBRARIES: [(&str, &[&str]); 8] = [
    ("rusqlite", &["store"]),
    ("mysql_async", &["mysql"]),
    ("axum", &["api"]),
    ("hyper", &["api"]),
    ("openraft", &["raft"]),
    ("tonic", &["raft"]),
    ("prost", &["wire", "raft"]),
    ("hickory_resolver", &["resolve"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace")
        .to_owned()
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.expect("a directory can be read").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Production files: without those whose module is declared for tests only.
fn production(dir: &Path) -> Vec<PathBuf> {
    let all = sources(dir);
    let tests: Vec<PathBuf> = all.iter().flat_map(|file| test_modules(file)).collect();
    all.into_iter()
        .filter(|file| {
            !tests
                .iter()
                .any(|test| file.starts_with(test) || file == &test.with_extension("rs"))
        })
        .collect()
}

/// Where the modules are that `file` declares behind `#[cfg(test)]`, without an ending.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let parent = file.parent().expect("a file lies in a directory");
    let stem = file.file_stem().expect("a file has a name");
    let is_table_of_contents = ["mod", "lib", "main"].iter().any(|name| stem == *name);
    let home = if is_table_of_contents {
        parent.to_owned()
    } else {
        parent.join(stem)
    };
    text.split("#[cfg(test)]")
        .skip(1)
        .filter_map(|rest| {
            let mut lines = rest.trim_start().lines();
            let first = lines.next()?;
            if let Some(path) = first.strip_prefix("#[path = \"") {
                return Some(parent.join(path.trim_end_matches("\"]")).with_extension(""));
            }
            let line = if first.starts_with("#[") {
                lines.next()?
            } else {
                first
            };
            let name = line.split("mod ").nth(1)?.strip_suffix(';')?;
            Some(home.join(name))
        })
        .collect()
}

/// Production lines of a file: comments and everything from its test module on are left out.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let inline_tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let code = text[..inline_tests]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// The first path segments after `prefix::`, also inside `prefix::{a::…, b::…}`.
fn segments(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let needle = format!("{prefix}::");
    let ident = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    for (at, _) in code.match_indices(&needle) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + needle.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(ident(rest));
            continue;
        };
        let mut depth = 0;
        let mut part = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.insert(ident(part.trim()));
                    part.clear();
                    continue;
                }
                _ => {}
            }
            part.push(c);
        }
        found.insert(ident(part.trim()));
    }
    found.remove("");
    found
}

fn modules(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|entry| entry.expect("a directory can be read").path())
        .filter(|path| path.is_dir())
        .map(|path| {
            path.file_name()
                .expect("a directory has a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

#[test]
fn the_segment_finder_finds_what_is_imported() {
    let code = "use crate::{a::X, b::{c, d}, e};\nfn f() { crate::g::h(); othercrate::x::y() }";
    assert_eq!(
        segments(code, "crate"),
        ["a", "b", "e", "g"].map(str::to_owned).into()
    );
}

#[test]
fn modules_of_the_core_import_downwards_only() {
    let core = root().join("src/core");
    assert_eq!(
        modules(&core),
        CORE.iter().map(|(name, _)| (*name).to_owned()).collect(),
        "each module has its row"
    );
    for (module, allowed) in CORE {
        for file in production(&core.join(module)) {
            for used in segments(&code(&file), "crate") {
                let is_fine =
                    used == module || used == "planted" || allowed.contains(&used.as_str());
                assert!(
                    is_fine,
                    "{} imports {used}; {module} may import {allowed:?}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn modules_of_the_service_import_as_the_map_says() {
    let server = root().join("src/server");
    assert_eq!(
        modules(&server),
        SERVER.iter().map(|(name, ..)| (*name).to_owned()).collect(),
        "each module has its row"
    );
    for (module, siblings, core) in SERVER {
        for file in production(&server.join(module)) {
            let code = code(&file);
            for used in segments(&code, "crate") {
                let is_fine = used == module || siblings.contains(&used.as_str());
                assert!(
                    is_fine,
                    "{} imports {used}; {module} may import {siblings:?}",
                    file.display()
                );
            }
            for used in segments(&code, "orchestrator_core") {
                assert!(
                    used == "planted" || core.contains(&used.as_str()),
                    "{} imports {used} of the core; {module} may import {core:?}",
                    file.display()
                );
            }
            for (library, owners) in LIBRARIES {
                let is_used = !segments(&code, library).is_empty();
                assert!(
                    !is_used || owners.contains(&module),
                    "{} uses {library}; only {owners:?} may",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn the_core_knows_no_runtime_no_io_and_no_clock() {
    let manifest =
        fs::read_to_string(root().join("src/core/Cargo.toml")).expect("the core has a manifest");
    let (_, rest) = manifest
        .split_once("[dependencies]")
        .expect("it has dependencies");
    let dependencies = rest.split("\n[").next().unwrap_or_default();
    for forbidden in [
        "tokio",
        "futures",
        "async",
        "axum",
        "rusqlite",
        "mysql_async",
        "tonic",
        "openraft",
        "tracing",
    ] {
        assert!(
            !dependencies.contains(forbidden),
            "the core depends on {forbidden}"
        );
    }
    for file in production(&root().join("src/core")) {
        let code = code(&file);
        for forbidden in [
            "std::fs",
            "std::net::Tcp",
            "std::process",
            "std::env",
            "SystemTime",
            "Instant::now",
            "std::thread",
            "println!",
        ] {
            assert!(
                !code.contains(forbidden),
                "{} uses {forbidden}",
                file.display()
            );
        }
    }
}

#[test]
fn nothing_is_switched_off_or_left_for_later() {
    for crate_dir in ["src/core", "src/server", "src/client", "raft-tests"] {
        for file in sources(&root().join(crate_dir)) {
            let text = fs::read_to_string(&file).expect("a source file can be read");
            // Built from parts, so that this file does not find itself.
            for forbidden in [
                ["#[ig", "nore"].concat(),
                ["todo", "!("].concat(),
                ["unimplemented", "!("].concat(),
            ] {
                assert!(
                    !text.contains(&forbidden),
                    "{} has {forbidden}",
                    file.display()
                );
            }
        }
    }
}
