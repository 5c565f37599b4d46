//! A file system of its own in an image, which can be shut down as by a power cut.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::tools::{finish, system, tools};

/// The image's length; it is sparse.
const IMAGE_BYTES: u64 = 1 << 30;

/// A mounted ext4 image; unmounted when dropped.
pub(crate) struct Mount {
    folder: TempDir,
    mounted: bool,
}

impl Mount {
    /// Makes and mounts an image, and shuts it down once to see that this machine can.
    pub(crate) fn make() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("stepwell-power-").tempdir();
        let mut mount = Self {
            folder: folder.map_err(|error| error.to_string())?,
            mounted: false,
        };
        let image = File::create(mount.image()).map_err(|error| error.to_string())?;
        image
            .set_len(IMAGE_BYTES)
            .map_err(|error| error.to_string())?;
        let small = "lazy_itable_init=1,lazy_journal_init=1,nodiscard";
        let mut make = system("mkfs.ext4");
        make.args(["-q", "-F", "-m", "0", "-J", "size=8", "-E", small])
            .arg(mount.image());
        finish(&mut make)?;
        std::fs::create_dir(mount.path()).map_err(|error| error.to_string())?;
        mount.mount()?;
        mount.shut_down()?;
        mount.unmount()?;
        mount.mount()?;
        Ok(mount)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// Cuts the power: from here on nothing reaches the image.
    pub(crate) fn shut_down(&self) -> Result<(), String> {
        finish(Command::new(&tools().cut).arg(self.path()))
    }

    /// Brings it back as a machine that starts again would. Nobody may use it.
    pub(crate) fn bring_back(&mut self) -> Result<(), String> {
        self.unmount()?;
        self.mount()
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn mount(&mut self) -> Result<(), String> {
        let mut mount = system("mount");
        finish(
            mount
                .args(["-t", "ext4", "-o", "loop"])
                .args([self.image(), self.path()]),
        )?;
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), String> {
        finish(system("umount").arg(self.path()))?;
        self.mounted = false;
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The loop device goes with the mount. Lazily if somebody still holds a file: a test that
        // fails must leave nothing mounted behind.
        if self.mounted && self.unmount().is_err() {
            drop(finish(system("umount").arg("--lazy").arg(self.path())));
        }
    }
}
