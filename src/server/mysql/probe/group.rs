use orchestrator_core::domain::{GroupMember, InstanceKey};

use super::ahead::Statement;
use super::ask::{Asker, FEW_ROWS};
use super::counters::Listed;
use super::identity::Profile;
use super::text::{is_on, name};
use crate::mysql::Answer;
use crate::mysql::dialect::Dialect;
use crate::mysql::failure::StepError;

const STEP: &str = "reading the replication group";

/// A group has at most nine members (MySQL 9 manual, "Group Replication Limitations"); more are not believed.
const MAX_MEMBERS: usize = 64;

const STATEMENT: &str = "SELECT MEMBER_ID, MEMBER_HOST, MEMBER_PORT, MEMBER_STATE, MEMBER_ROLE \
     FROM performance_schema.replication_group_members";

/// "No such variable" and "no such table": this server knows no group replication.
const UNSUPPORTED: [u16; 2] = [1193, 1146];

/// What [`ask`] may ask.
pub(super) fn statement(dialect: &Dialect) -> Option<Statement> {
    let may_have_group = dialect.has_group_replication();
    may_have_group.then(|| Statement::rare(STEP, STATEMENT))
}

/// Asks a server whose plugin has a group name.
pub(super) async fn ask(
    asker: &mut Asker<'_>,
    profile: &mut Profile,
    variables: &Listed,
    own_uuid: &str,
) -> Result<Option<GroupMember>, StepError> {
    let group_name = name(variables.get("group_replication_group_name"));
    if !profile.may_have_group || group_name.is_empty() {
        return Ok(None);
    }
    let answer = match asker.must(STEP, STATEMENT, FEW_ROWS).await {
        Ok(answer) => answer,
        Err(failed) if UNSUPPORTED.contains(&failed.error.code()) => {
            profile.may_have_group = false;
            return Ok(None);
        }
        Err(failed) => return Err(failed),
    };
    let is_single_primary = variables
        .get("group_replication_single_primary_mode")
        .is_some_and(|text| is_on(&text));
    Ok(membership(&answer, group_name, is_single_primary, own_uuid))
}

/// The server's place in its group; `None` when it is in none. The primary is told in single-primary mode only: in the
/// other mode every member is one.
fn membership(
    answer: &Answer,
    group_name: String,
    is_single_primary: bool,
    own_uuid: &str,
) -> Option<GroupMember> {
    let mut group = GroupMember {
        group_name,
        is_single_primary,
        ..GroupMember::default()
    };
    let mut is_member = false;
    for row in answer.rows().take(MAX_MEMBERS) {
        let text = |column: &str| row.text(column).unwrap_or_default();
        let state = name(row.text("MEMBER_STATE"));
        if state == "OFFLINE" || state.is_empty() {
            continue;
        }
        let role = name(row.text("MEMBER_ROLE"));
        let is_own = text("MEMBER_ID") == own_uuid && !own_uuid.is_empty();
        let key = InstanceKey::from_parts(&text("MEMBER_HOST"), &text("MEMBER_PORT")).ok();
        if is_single_primary && role == "PRIMARY" {
            group.primary = key.clone();
        }
        if is_own {
            is_member = true;
            group.state = state;
            group.role = role;
        } else {
            group.members.extend(key);
        }
    }
    group.members.sort();
    group.members.dedup();
    is_member.then_some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(own_state: &str) -> Answer {
        Answer::table(
            &[
                "MEMBER_ID",
                "MEMBER_HOST",
                "MEMBER_PORT",
                "MEMBER_STATE",
                "MEMBER_ROLE",
            ],
            &[
                &[
                    Some("u1"),
                    Some("db1"),
                    Some("3306"),
                    Some("ONLINE"),
                    Some("PRIMARY"),
                ],
                &[
                    Some("u2"),
                    Some("db2"),
                    Some("3306"),
                    Some(own_state),
                    Some("SECONDARY"),
                ],
                &[
                    Some("u3"),
                    Some("db3"),
                    Some("3306"),
                    Some("RECOVERING"),
                    Some("SECONDARY"),
                ],
                &[
                    Some("u4"),
                    Some("b'd"),
                    Some("3306"),
                    Some("ONLINE"),
                    Some("SECONDARY"),
                ],
                &[
                    Some("u5"),
                    Some("db5"),
                    Some("3306"),
                    Some("OFFLINE"),
                    Some(""),
                ],
            ],
        )
    }

    #[test]
    fn a_member_knows_its_role_its_peers_and_the_primary() {
        let key = |text| InstanceKey::parse(text, 3306).unwrap();
        let group = membership(&table("ONLINE"), "g".into(), true, "u2").unwrap();
        assert_eq!(group.role, "SECONDARY");
        assert_eq!(group.state, "ONLINE");
        assert_eq!(group.primary, Some(key("db1")));
        assert_eq!(group.members, [key("db1"), key("db3")]);
        let many = membership(&table("ONLINE"), "g".into(), false, "u2").unwrap();
        assert_eq!(many.primary, None, "every member is one");
    }

    #[test]
    fn a_server_that_left_is_no_member() {
        assert_eq!(membership(&table("OFFLINE"), "g".into(), true, "u2"), None);
        assert_eq!(membership(&table("ONLINE"), "g".into(), true, ""), None);
    }
}
