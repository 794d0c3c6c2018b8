//! The pages below `docs/` that are made from the table of routes. `UPDATE_DOCS=1` writes them anew.

use std::fs;
use std::path::PathBuf;

use super::fakes::{bare_router, gated};
use super::{callers, evidence};
use crate::api::{Access, routes};

const BEGIN: &str = "<!-- made from the table of routes: begin -->\n";
const END: &str = "<!-- made from the table of routes: end -->\n";

fn table_of_routes() -> String {
    let rows = routes().into_iter().map(|route| {
        let access = match route.access {
            Access::Health => "health",
            Access::Reads => "reads",
            Access::Changes => "changes",
            Access::Claims => "claims",
            Access::LocalOnly => "this machine only",
        };
        let by = match route.answered_locally {
            true => "this node",
            false => "leader",
        };
        format!(
            "| `{}` | {access} | {by} | {} | {} |",
            route.path, route.meaning, route.answer
        )
    });
    let head = "| route | access | answered by | meaning | success |\n|---|---|---|---|---|\n";
    format!("{head}{}\n", rows.collect::<Vec<_>>().join("\n"))
}

/// Compares the made part of a page, or writes it.
fn check(page: &str, made: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("docs/{page}: {error}"));
    let (before, rest) = text
        .split_once(BEGIN)
        .expect("the page marks where it begins");
    let (found, after) = rest.split_once(END).expect("the page marks where it ends");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        found, made,
        "docs/{page} is stale; run this test with UPDATE_DOCS=1"
    );
}

#[test]
fn the_reference_page_has_every_route() {
    check("api.md", &table_of_routes());
}

#[tokio::test]
async fn the_evidence_page_shows_what_every_route_answers() {
    let no_token: evidence::Assemble =
        |state| gated(state, callers::config(callers::token()), callers::remote());
    let no_password: evidence::Assemble =
        |state| gated(state, callers::config(callers::basic()), callers::remote());
    let refusing = [
        ("method `token`, none held, from elsewhere", no_token),
        ("method `basic`, no password", no_password),
    ];
    let table = evidence::table(bare_router, &refusing).await;
    check("api-evidence.md", &format!("{table}\n"));
}

#[test]
fn every_route_says_what_it_is_for_and_has_a_path_of_its_own() {
    let mut paths = std::collections::BTreeSet::new();
    for route in routes() {
        assert!(
            !route.meaning.is_empty() && !route.answer.is_empty(),
            "{}",
            route.path
        );
        let is_below = route.path.starts_with("/api/") || route.path.starts_with("/web/");
        assert!(is_below && !route.path.ends_with('/'));
        assert!(paths.insert(route.path), "{} is there twice", route.path);
    }
}
