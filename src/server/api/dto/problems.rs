use orchestrator_core::domain::GroupMember;
use orchestrator_core::topology::Condition;

/// `Problems` of the API: at most one of the first four words, then errant transactions, then the group.
pub fn problems(
    condition: &Condition,
    has_errant: bool,
    group: Option<&GroupMember>,
) -> Vec<&'static str> {
    let first = if !condition.is_last_check_valid {
        Some("last_check_invalid")
    } else if !condition.is_recently_checked {
        Some("not_recently_checked")
    } else if condition.is_broken {
        Some("not_replicating")
    } else if condition.is_lagging {
        Some("replication_lag")
    } else {
        None
    };
    let is_offline = group.is_some_and(|group| group.state != "ONLINE");
    first
        .into_iter()
        .chain(has_errant.then_some("errant_gtid"))
        .chain(is_offline.then_some("group_replication_member_not_online"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Condition = Condition {
        is_last_check_valid: true,
        is_up_to_date: true,
        is_recently_checked: true,
        is_replicating: true,
        is_broken: false,
        is_lagging: false,
        lags_for_maintenance: false,
    };

    #[test]
    fn problems_name_the_first_of_four_and_add_the_rest() {
        assert!(problems(&FINE, false, None).is_empty());
        let all_wrong = Condition {
            is_last_check_valid: false,
            is_recently_checked: false,
            is_broken: true,
            is_lagging: true,
            ..FINE
        };
        let mut at = all_wrong;
        assert_eq!(problems(&at, false, None), ["last_check_invalid"]);
        at.is_last_check_valid = true;
        assert_eq!(problems(&at, false, None), ["not_recently_checked"]);
        at.is_recently_checked = true;
        assert_eq!(problems(&at, false, None), ["not_replicating"]);
        at.is_broken = false;
        let group = GroupMember {
            state: "RECOVERING".into(),
            ..GroupMember::default()
        };
        assert_eq!(
            problems(&at, true, Some(&group)),
            [
                "replication_lag",
                "errant_gtid",
                "group_replication_member_not_online"
            ]
        );
    }
}
