//! The fault tools in `tests/faults`, compiled once, and outside programs run to their end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where programs of the system administrator are, which not every `PATH` names.
const SYSTEM_PATHS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// The compiled tools.
pub(crate) struct Tools {
    /// Shuts a file system down: `cut MOUNTPOINT`.
    pub(crate) cut: PathBuf,
    /// Preloaded into an engine: see `tests/faults/disk.c`.
    pub(crate) disk: PathBuf,
}

/// The tools, compiled at the first call. A machine that builds Rust has a C compiler: it links.
pub(crate) fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults");
        std::fs::create_dir_all(&folder).expect("make a folder for the tools");
        Tools {
            cut: compiled(&folder, "cut.c", "cut", &[]),
            disk: compiled(
                &folder,
                "disk.c",
                "disk.so",
                &["-fPIC", "-shared", "-ldl", "-lpthread"],
            ),
        }
    })
}

fn compiled(folder: &Path, source: &str, name: &str, options: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("faults")
        .join(source);
    // Other test processes may compile at the same time: each its own, the last one stays.
    let draft = folder.join(format!("{name}.{}", std::process::id()));
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&draft)
        .arg(source);
    finish(compiler.args(options)).expect("compile a fault tool");
    let tool = folder.join(name);
    std::fs::rename(draft, &tool).expect("put a fault tool in its place");
    tool
}

/// A program of the system.
pub(crate) fn system(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:{SYSTEM_PATHS}"));
    command
}

/// Runs a program to its end; what it said when it did not end well.
pub(crate) fn finish(command: &mut Command) -> Result<(), String> {
    let named = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{named}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{named}: {}: {}", output.status, said.trim()))
}
