use regex::Regex;

/// Whether a list such as `RecoverMasterClusterFilters` covers a cluster. Each filter is a cluster name, an alias,
/// `alias=X`, `alias~=regex`, `*`, or a regular expression found in the cluster name; an empty one covers nothing, and
/// neither does one that is no regular expression (configuration says so when it is read).
pub fn cluster_filters_match(filters: &[String], cluster_name: &str, alias: &str) -> bool {
    filters
        .iter()
        .any(|filter| matches(filter, cluster_name, alias))
}

fn matches(filter: &str, cluster_name: &str, alias: &str) -> bool {
    if filter.is_empty() {
        return false;
    }
    if filter == "*" || filter == cluster_name || filter == alias {
        return true;
    }
    if let Some(wanted) = filter.strip_prefix("alias=") {
        return wanted == alias;
    }
    if let Some(pattern) = filter.strip_prefix("alias~=") {
        return is_found(pattern, alias);
    }
    is_found(filter, cluster_name)
}

fn is_found(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_filter_covers_what_it_says() {
        for (filter, covered) in [
            ("db1:3306", true),
            ("main", true),
            ("alias=main", true),
            ("alias=mai", false),
            ("alias~=^ma", true),
            ("alias~=db1", false),
            ("*", true),
            ("^db[0-9]", true),
            ("db2", false),
            ("", false),
            ("(", false),
            ("alias~=(", false),
        ] {
            let filters = [filter.to_owned()];
            assert_eq!(
                cluster_filters_match(&filters, "db1:3306", "main"),
                covered,
                "{filter}"
            );
        }
        assert!(!cluster_filters_match(&[], "db1:3306", "main"));
    }
}
