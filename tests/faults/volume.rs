//! A small ext4 file system in a file: it can lose its power and run full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::ground::until;

/// Mounted while this lives. Whatever has files open on it must be gone before.
pub struct Volume {
    image: PathBuf,
    mount: PathBuf,
    _folder: tempfile::TempDir,
}

impl Volume {
    /// A new one of so many mebibytes.
    pub fn make(mebibytes: u64) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("gtv").tempdir_in("/tmp").map_err(|e| e.to_string())?;
        // PostgreSQL runs as another user and must get through.
        run("chmod", &["755", &shown(folder.path())])?;
        let (image, mount) = (folder.path().join("image"), folder.path().join("mount"));
        std::fs::create_dir(&mount).map_err(|e| e.to_string())?;
        let file = std::fs::File::create(&image).map_err(|e| e.to_string())?;
        file.set_len(mebibytes << 20).map_err(|e| e.to_string())?;
        drop(file);
        run("mkfs.ext4", &["-q", "-F", "-m", "0", &shown(&image)])?;
        let volume = Self { image, mount, _folder: folder };
        volume.mount()?;
        Ok(volume)
    }

    pub fn path(&self) -> &Path {
        &self.mount
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop", &shown(&self.image), &shown(&self.mount)])
    }

    fn unmount(&self) -> Result<(), String> {
        let mut last = Ok(());
        // A killed process may need a moment to let go.
        until(Duration::from_secs(10), || {
            last = run("umount", &[&shown(&self.mount)]);
            last.is_ok()
        });
        last
    }

    /// The power goes: nothing that is not on the disk by now will ever be, not
    /// even the file system's own journal. `EXT4_IOC_SHUTDOWN` with
    /// `EXT4_GOING_FLAGS_NOLOGFLUSH`; Perl is in every Debian and can call it.
    pub fn cut_power(&self) {
        let script = r#"open(my $f, "<", $ARGV[0]) or die "open: $!"; my $flags = pack("L", 2);
            ioctl($f, 0x8004587D, $flags) or die "ioctl: $!";"#;
        run("perl", &["-e", script, &shown(&self.mount)]).expect("the power cut");
    }

    /// The power is back: the file system recovers from its journal.
    pub fn restore_power(&self) {
        self.unmount().expect("unmounted");
        self.mount().expect("mounted");
    }

    /// Takes all the room there is; the file to remove to free it again.
    pub fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.mount.join("ballast");
        let mut file = std::fs::File::create(&path).expect("a file");
        let mut size = 1 << 20;
        while size > 0 {
            match file.write_all(&vec![0; size]).and_then(|()| file.sync_all()) {
                Ok(()) => {}
                Err(_) => size /= 4,
            }
        }
        path
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            // Detached at once, gone with the last descriptor.
            eprintln!("{error}; detaching");
            let _last_resort = run("umount", &["--lazy", &shown(&self.mount)]);
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
