use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::config::table;

fn any_json() -> impl Strategy<Value = Json> {
    let texts = prop_oneof![
        any::<String>(),
        "[\\[(a-z.*+${}:/@=~^0-9]{0,12}",
        Just("mysql".to_owned()),
        Just("basic".to_owned()),
        Just("alias~=(".to_owned()),
        Just("${PATH}".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-3_i64..100_000).prop_map(Json::from),
        any::<f64>().prop_map(|number| json!(number)),
        texts.prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

fn any_key() -> impl Strategy<Value = String> {
    let names: Vec<String> = table::keys().map(|key| key.name.to_owned()).collect();
    prop_oneof![9 => prop::sample::select(names), 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_json_is_taken_or_refused_with_sentences(entries in prop::collection::vec((any_key(), any_json()), 0..12)) {
        let content = Json::Object(entries.into_iter().collect()).to_string();
        match read(&content) {
            Ok(loaded) => prop_assert!(loaded.warnings.iter().all(|warning| !warning.to_string().is_empty())),
            Err(errors) => prop_assert!(!errors.problems.is_empty()),
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(content in prop::collection::vec(any::<u8>(), 0..200)) {
        let source = FakeSource::default().file(FILE, &content);
        prop_assert!(read_from(&source).is_ok() || !problems(read_from(&source)).is_empty());
    }

    #[test]
    fn any_credentials_are_taken_or_refused(content in "(\\[client\\]\n)?[a-z=\"\\\\#; \\[\\]\n$\\{\\}]{0,60}") {
        let source = FakeSource::default()
            .file(FILE, r#"{"MySQLTopologyCredentialsConfigFile": "/c"}"#)
            .file("/c", &content);
        let outcome = read_from(&source);
        prop_assert_eq!(outcome.is_ok(), problems(outcome).is_empty());
    }
}
