//! Copies of a whole data directory.

use orchestrator_core::ports::Group as _;

use super::support::{PATIENCE, World, until};

const THREE: [&str; 3] = ["a", "b", "c"];

pub fn copy(from: &std::path::Path, to: &std::path::Path, prefix: &str) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().filter_map(Result::ok) {
        if file.file_name().to_string_lossy().starts_with(prefix) {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_directory_is_refused_under_another_name_and_beside_its_original() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.settled().await;
    let written = world.write("db1").await;
    world.converge(written.index).await;
    let copied = THREE.into_iter().find(|name| *name != leader).unwrap();
    world.kill(copied).await;
    let (there, aside) = (world.directory(copied), world.directory("aside"));
    copy(&there, &aside, "");
    world.start(copied);
    world.settled().await;

    let mut config = world.config(copied);
    config.directory = aside.clone();
    let double = world.open(config.clone()).unwrap();
    double.group.start();
    let reason = tokio::time::timeout(PATIENCE, double.group.failed()).await;
    let reason = reason.unwrap();
    assert!(
        reason.contains(&format!("{copied} runs already"))
            && reason.contains("copy of this RaftDataDir"),
        "{reason}"
    );
    double.group.stop().await;
    drop(double);

    // Also without the store, from which nothing is applied then.
    for file in ["", "-wal", "-shm"] {
        std::fs::remove_file(config.directory.join(format!("orchestrator.sqlite3{file}"))).ok();
    }
    config.name = "d".to_owned();
    config.nodes.push("d".to_owned());
    let renamed = loop {
        // The one before gives its files back a moment after it stopped.
        match world.open(config.clone()) {
            Ok(running) => break running,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    renamed.group.start();
    let reason = tokio::time::timeout(PATIENCE, renamed.group.failed()).await;
    let reason = reason.unwrap();
    assert!(
        reason.contains(&format!("RaftDataDir is that of {copied}")),
        "{reason}"
    );
    renamed.group.stop().await;
    // Nobody else took notice.
    until("the group is as it was", || {
        THREE
            .iter()
            .all(|name| world.status(name).members.len() == 3)
    })
    .await;
    let written = world.write("db2").await;
    world.converge(written.index).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_came_first_ends_when_its_original_is_started() {
    let mut world = World::new(&THREE);
    world.start_all();
    let leader = world.settled().await;
    let copied = THREE.into_iter().find(|name| *name != leader).unwrap();
    world.kill(copied).await;
    let aside = world.directory("aside");
    copy(&world.directory(copied), &aside, "");
    let mut config = world.config(copied);
    config.directory = aside;
    let double = world.open(config).unwrap();
    double.group.start();
    until("the copy follows", || {
        double.group.status().leader.is_some()
    })
    .await;
    world.start(copied);
    let reason = tokio::time::timeout(PATIENCE, double.group.failed()).await;
    let reason = reason.unwrap();
    assert!(reason.contains("runs already"), "{reason}");
    double.group.stop().await;
    let written = world.write("db1").await;
    world.converge(written.index).await;
    world.stop().await;
}
