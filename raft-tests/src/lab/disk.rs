//! Small file systems of a test's own, to fill and to break. They need the superuser.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use super::launch::{Process, Program};
use super::node::Node;
use super::place::on_path;

/// Mounting takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// A file system with a few megabytes, mounted on a folder. Dropping it unmounts it, also when a process still has files open there.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
    /// In a file, with a journal, which the kernel makes read-only after an error.
    image: Option<PathBuf>,
}

impl SmallDisk {
    /// One of so many mebibytes in memory.
    ///
    /// # Errors
    /// When it cannot be mounted: the test does not run as the superuser.
    pub async fn in_memory(mebibytes: u32) -> Result<Self> {
        let disk = Self::unmounted(None)?;
        let size = format!("size={mebibytes}m,mode=0700");
        run(
            "mount",
            &["-t", "tmpfs", "-o", &size, "tmpfs", &disk.mounted()],
        )
        .await?;
        Ok(disk)
    }

    /// One of so many mebibytes with ext4, over a loop device.
    ///
    /// # Errors
    /// As [`SmallDisk::in_memory`], or when there is no loop device.
    pub async fn on_a_device(mebibytes: u64) -> Result<Self> {
        let disk = Self::unmounted(Some("image"))?;
        let image = disk.image.clone().context("it was just named")?;
        fs::File::create(&image)?.set_len(mebibytes * 1024 * 1024)?;
        run("mkfs.ext4", &["-q", &image.display().to_string()]).await?;
        disk.mount_again().await?;
        Ok(disk)
    }

    fn unmounted(image: Option<&str>) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("orchestrator-disk-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        fs::create_dir(folder.path().join("disk"))?;
        Ok(Self {
            image: image.map(|name| folder.path().join(name)),
            folder,
        })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn mounted(&self) -> String {
        self.path().display().to_string()
    }

    /// Takes all the space there is.
    ///
    /// # Errors
    /// When something else is wrong than that it is full now.
    pub fn fill(&self) -> Result<()> {
        let mut file = fs::File::create(self.filler())?;
        let block = vec![0; 4096];
        loop {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives the space back.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn make_room(&self) -> Result<()> {
        fs::remove_file(self.filler()).context("it was not filled")
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Makes the kernel find an error in its file system, which it makes read-only then, whoever has files open there.
    ///
    /// # Errors
    /// When it is not on a device, or the kernel cannot be told.
    pub async fn find_an_error(&self) -> Result<()> {
        let image = self.image.as_ref().context("it is in memory")?;
        let told = run("losetup", &["-j", &image.display().to_string()]).await?;
        let device = told.split(':').next().context("no loop device")?;
        let name = Path::new(device).file_name().context("no loop device")?;
        let switch = Path::new("/sys/fs/ext4")
            .join(name)
            .join("trigger_fs_error");
        fs::write(&switch, "1").with_context(|| format!("cannot write {}", switch.display()))
    }

    /// Repairs and mounts it again, where nobody uses it any more.
    ///
    /// # Errors
    /// When somebody does.
    pub async fn repair(&self) -> Result<()> {
        run("umount", &[&self.mounted()]).await?;
        let image = self.image.as_ref().context("it is in memory")?;
        // It says by its exit code that it has mended something.
        let mended = Program::new(program("e2fsck")?)
            .arg("-fy")
            .arg(image)
            .run("", DEADLINE)
            .await?;
        ensure!(
            mended.status.code().is_some_and(|code| code < 4),
            "{mended:?}"
        );
        self.mount_again().await
    }

    async fn mount_again(&self) -> Result<()> {
        let image = self.image.as_ref().context("it is in memory")?;
        let image = image.display().to_string();
        let options = ["-o", "loop,errors=remount-ro", &image, &self.mounted()];
        run("mount", &options).await.map(drop)
    }
}

/// Lets every sync of a running process fail, as a broken disk does, until it is dropped or the process ends.
///
/// # Errors
/// When there is no `strace`, or it may not trace.
pub fn fail_syncs(of: &Node) -> Result<Process> {
    let pid = of.pid().context("the node does not run")?;
    let log = of.folder().join("strace.log");
    Program::new(program("strace")?)
        .arg("-f")
        .arg("-qq")
        .arg("-p")
        .arg(pid.to_string())
        .arg("-e")
        .arg("trace=fsync,fdatasync")
        .arg("-e")
        .arg("inject=fsync,fdatasync:error=EIO")
        .start(&log)
}

impl Drop for SmallDisk {
    #[allow(
        clippy::disallowed_methods,
        reason = "a file system must not outlive its test, and dropping cannot wait for a future"
    )]
    fn drop(&mut self) {
        // Lazily: a node that was not ended yet keeps nothing.
        let ended = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.path())
            .status();
        if !ended.is_ok_and(|status| status.success()) {
            eprintln!("{} could not be unmounted", self.mounted());
        }
    }
}

fn program(name: &str) -> Result<PathBuf> {
    on_path(name).with_context(|| format!("these tests need {name}; raft-tests/run installs it"))
}

async fn run(name: &str, arguments: &[&str]) -> Result<String> {
    let started = arguments
        .iter()
        .fold(Program::new(program(name)?), |program, argument| {
            program.arg(argument)
        });
    let finished = started.run("", DEADLINE).await?;
    ensure!(
        finished.status.success(),
        "{name} {arguments:?}: {}{}",
        finished.stdout,
        finished.stderr
    );
    Ok(finished.stdout)
}
