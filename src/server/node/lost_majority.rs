//! `orchestrator raft-recover`: a node that does not run goes on alone when the majority of its group is lost for good.

use std::fmt::Write as _;
use std::sync::Arc;

use orchestrator_core::decided::CommandFormats;
use orchestrator_core::ports::Clock;

use super::group::{links, place};
use super::start::StartError;
use super::system::{SystemClock, SystemIds};
use crate::cli::Flags;
use crate::config::Settings;
use crate::raft::GrpcTransport;
use crate::raft::lost_majority::{Objection, Renewed, Survey, Survivor};
use crate::raft::transport::Transport;

/// What came of it.
pub(super) struct Outcome {
    /// For the operator.
    pub text: String,
    /// Whether the node is another group's now; else nothing was changed.
    pub is_done: bool,
}

/// Asks the others, and does it where they are lost and the operator has confirmed that.
pub(super) async fn recover(flags: &Flags, settings: &Settings) -> Result<Outcome, StartError> {
    let member = settings
        .startup
        .raft
        .group
        .as_ref()
        .ok_or(StartError::NoGroup {
            mode: "raft-recover",
        })?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (name, nodes) = place(member)?;
    let formats = CommandFormats::of_this_release();
    // Its lock shows that the node does not run.
    let survivor = Survivor::open(name, &member.data_dir, &formats, &clock)?;
    let links = links(member, &settings.live.raft_credentials, clock.clone())?;
    let others = survivor.others(&nodes);
    let names = others.iter().flat_map(|one| [&one.name, &one.address]);
    links.set_members(names);
    let transport: Arc<dyn Transport> = Arc::new(GrpcTransport::new(links.dialer()));
    let survey = Survey::take(&survivor, &nodes, &transport, &clock).await;
    let mut text = found(&survivor, &survey);
    if let Some(objection) = survey.objection() {
        return Err(told(&text, objection));
    }
    let confirmation = format!("{}/{}", survivor.name, survivor.group);
    let given = flags.text("lose-the-others");
    if given != confirmation {
        text.push_str(&consequences(&survivor));
        if !given.is_empty() {
            writeln!(text, "-lose-the-others={given} is not the confirmation.")
                .expect("writing to a String does not fail");
        }
        text.push_str(&how_to(flags, &confirmation));
        return Ok(Outcome {
            text,
            is_done: false,
        });
    }
    let lost = survivor.lost();
    let (name, last) = (survivor.name.clone(), survivor.last);
    // The look at the others took a moment, and it is late enough to say what the last entry was.
    let renewed = survivor.begin_alone(&SystemIds, clock.now())?;
    text.push_str(&next_steps(&name, last, &renewed, &lost));
    Ok(Outcome {
        text,
        is_done: true,
    })
}

/// What was found goes with the refusal.
fn told(text: &str, objection: Objection) -> StartError {
    for line in text.lines() {
        tracing::info!("{line}");
    }
    objection.into()
}

fn found(survivor: &Survivor, survey: &Survey) -> String {
    let mut text = format!(
        "{} of the group {} has entries up to {}; up to {} they are known to be decided\n",
        survivor.name, survivor.group, survivor.last, survivor.committed
    );
    for line in survey.lines() {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn consequences(survivor: &Survivor) -> String {
    let (name, last) = (&survivor.name, survivor.last);
    let mut text = format!(
        "\nIf the others are lost for good, {name} can go on alone, as a new group. Then\n\
         - what was decided behind entry {last}, if anything was, is lost;\n"
    );
    if survivor.committed < last {
        text.push_str(&format!(
            "- what is behind entry {} is kept, although it may not have been decided: somebody may have been told that it was;\n",
            survivor.committed
        ));
    }
    for recovery in survivor.unfinished() {
        text.push_str(&format!("- {recovery}; it is ended, and left to you;\n"));
    }
    text.push_str("- automatic recoveries are off until you enable them;\n");
    text.push_str(&format!(
        "- {} have to be emptied (RaftDataDir, and the store where it is elsewhere: SQLite3DataFile, or a database) before they are started again. \
         Should a majority of the old group be started with what it has, there are two groups that change the same servers.\n",
        survivor.lost().join(" and ")
    ));
    text
}

/// The flag for the same configuration, with a blank behind it.
pub(super) fn config_flag(flags: &Flags) -> String {
    match flags.text("config") {
        "" => String::new(),
        file => format!("-config '{file}' "),
    }
}

fn how_to(flags: &Flags, confirmation: &str) -> String {
    let config = config_flag(flags);
    format!(
        "\nNothing was changed. To do it:\n    orchestrator {config}-lose-the-others='{confirmation}' raft-recover\n"
    )
}

fn next_steps(name: &str, last: u64, renewed: &Renewed, lost: &[String]) -> String {
    let others = lost.join(" and ");
    format!(
        "\n{name} is the only node of the new group {}, which goes on behind entry {last} of the old one. Now\n\
         1. start it: orchestrator http\n\
         2. empty {others} (RaftDataDir, and the store where it is elsewhere: SQLite3DataFile, or a database), and start them: they join. Of one that is gone for good, tell the group: \
         orchestrator-client -c raft-replace-peer -q OLD -H NEW, or -c raft-remove-peer -H OLD\n\
         3. look at the topologies and at the recoveries that were ended, then: orchestrator-client -c enable-global-recoveries\n",
        renewed.group
    )
}
