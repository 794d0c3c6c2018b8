use sha2::{Digest, Sha256};

use super::fault::Fault;

/// One step of a schema. It is never changed once released: a change is a further step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Migration {
    /// 1, 2, 3 …
    pub number: u32,
    /// Its statements.
    pub sql: &'static str,
}

impl Migration {
    /// What its statements are known by afterwards.
    pub fn checksum(&self) -> String {
        let hash = Sha256::digest(self.sql.as_bytes());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Those of all `steps` that a store lacks in which these were made, by number and checksum.
///
/// # Errors
/// [`Fault`] for a store of a later release, or from other statements.
pub(super) fn missing<'a>(
    steps: &'a [Migration],
    made: &[(u32, String)],
) -> Result<&'a [Migration], Fault> {
    let known = steps.last().map_or(0, |step| step.number);
    if let Some((found, _)) = made.last().filter(|(number, _)| *number > known) {
        return Err(Fault::Newer {
            found: *found,
            known,
        });
    }
    for (step, (number, checksum)) in steps.iter().zip(made) {
        if step.number != *number || step.checksum() != *checksum {
            return Err(Fault::ForeignMigration { number: *number });
        }
    }
    Ok(steps.get(made.len()..).unwrap_or_default())
}
