//! Texts that are no drawing, and where they stop being one.

use super::parse;

fn check(text: &str, expected: &str) {
    let found = match parse(text) {
        Ok(drawing) => format!("read as\n{drawing}"),
        Err(why) => why.to_string(),
    };
    assert_eq!(found, expected, "{text}");
}

#[test]
fn a_wrong_shape_is_named_with_its_place() {
    let indentation = "a line begins with a server, or with two spaces for each level above its own and then '+ ' or '<-> '";
    check("a\n + b", &format!("line 2, column 2: {indentation}"));
    check("a\n  b", &format!("line 2, column 3: {indentation}"));
    check("a\n\t+ b", &format!("line 2, column 1: {indentation}"));
    check(
        "a\n  + b",
        "line 2, column 5: no server is drawn one level above this one",
    );
    check(
        "+ b",
        "line 1, column 3: no server is drawn one level above this one",
    );
    let pair = "'<-> ' draws the second of two co-primaries: once, directly below the first line of its tree";
    check("a\n<-> b\n<-> c", &format!("line 3, column 5: {pair}"));
    check("a\n+ b\n  <-> c", &format!("line 3, column 7: {pair}"));
}

#[test]
fn a_wrong_server_is_named_with_its_place() {
    check(
        "a\n+ b:x",
        "line 2, column 3: expected a server, host or host:port: Invalid port: x",
    );
    check(
        "a\n+ b\n+ a:3306",
        "line 3, column 3: a:3306 is drawn already, in line 1",
    );
    check(
        "a b",
        "line 1, column 3: expected '[' and attributes, '#' and a comment, or the end of the line",
    );
}

#[test]
fn a_wrong_bracket_is_named_with_its_place() {
    check(
        "a [rw",
        "line 1, column 6: expected ']' before the end of the line",
    );
    check(
        "a [alias=\"x]",
        "line 1, column 13: expected '\"' before the end of the line",
    );
    check(
        "a [rw] x",
        "line 1, column 8: expected '[' and attributes, '#' and a comment, or the end of the line",
    );
}

#[test]
fn an_unknown_attribute_names_the_nearest() {
    check(
        "a\n+ b  [ro lga=1s]",
        "line 2, column 10: 'lga' is no attribute; is 'lag' meant?",
    );
    check("a [wibble]", "line 1, column 4: 'wibble' is no attribute");
}

#[test]
fn a_wrong_value_says_what_is_expected() {
    check(
        "a\n+ b [io=maybe]",
        "line 2, column 6: 'io' is written io=yes, io=no, io=connecting or io=stopping",
    );
    check(
        "a\n+ b [lag=1500ms]",
        "line 2, column 6: 'lag' is written lag=TIME in whole seconds, like lag=5s, or lag=unknown",
    );
    check(
        "a [rw=1]",
        "line 1, column 4: 'rw' is written without a value",
    );
    check(
        "a [downtime-owner=x]",
        "line 1, column 4: 'downtime-owner' is written downtime-owner=TEXT, beside downtime",
    );
    check(
        "a [group=g/boss]",
        "line 1, column 4: 'group' is written NAME/primary or NAME/secondary, with /STATE after it when that is not ONLINE",
    );
    check(
        "a [gtid=<z>:1]",
        "line 1, column 4: '<z>' names no server of this drawing",
    );
    check(
        "a [seen=99999999999999999999d]",
        "line 1, column 4: 'seen' is written seen=TIME ago, like seen=10s",
    );
}

#[test]
fn what_cannot_be_is_refused() {
    let errant = "'errant' is written gtid=SET (.. stands for the first server of the tree, <b> for server b), errant, or errant=NUMBER of own transactions of MySQL";
    check(
        "a [10.11.6-MariaDB uuid=u errant]",
        &format!("line 1, column 27: {errant}"),
    );
    let source = "'source' is written source=HOST:PORT, detached (from the server above), detached=HOST:PORT or invalid-source=TEXT, and not on a secondary of a group";
    check(
        "a [group=g/primary]\n+ b [group=g/secondary source=c]",
        &format!("line 2, column 24: {source}"),
    );
    let group = "'group' is written NAME/primary or NAME/secondary, with /STATE after it when that is not ONLINE";
    check(
        "a [group=g/secondary]\n<-> b",
        &format!("line 1, column 4: {group}"),
    );
}

#[test]
fn an_attribute_must_have_something_to_be_about() {
    check(
        "a [lag=1s]",
        "line 1, column 4: 'lag' is about a replication link, and this server replicates from nobody",
    );
    check(
        "a [never-seen ro]",
        "line 1, column 15: 'ro' is about what a probe sees, and this server was never seen",
    );
    check(
        "a [downtime not-known]",
        "line 1, column 4: 'downtime' says something of a server that is not known",
    );
    check(
        "a [ro rw]",
        "line 1, column 7: 'rw' says again what 'ro' said",
    );
    check(
        "a [gtid=..1 errant]",
        "line 1, column 13: 'errant' says again what 'gtid' said",
    );
}
