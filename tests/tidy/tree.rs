//! The files of the repository as they stand on disk, without what `.gitignore` keeps out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context as _, Result, anyhow, bail};

/// The whole tree, read once for all rules.
static TREE: LazyLock<Result<Vec<TextFile>, String>> =
    LazyLock::new(|| read().map_err(|error| format!("{error:#}")));

/// One file that belongs to the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextFile {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    /// Its text; `None` for a file that is not UTF-8, such as a golden journal.
    pub(crate) text: Option<String>,
}

impl TextFile {
    /// The name after the last slash.
    pub(crate) fn name(&self) -> &str {
        self.path
            .rsplit_once('/')
            .map_or(&*self.path, |(_, name)| name)
    }

    /// What follows the last dot of the name, if anything does.
    pub(crate) fn extension(&self) -> Option<&str> {
        self.name().rsplit_once('.').map(|(_, extension)| extension)
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.extension() == Some("rs")
    }

    /// The lines of its text, numbered from 1; none when it is not text.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.iter().flat_map(|text| text.lines()))
    }
}

/// The root of the repository.
pub(crate) fn root() -> Result<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tests
        .parent()
        .with_context(|| format!("{} has no parent", tests.display()))?;
    Ok(root.to_path_buf())
}

/// Every file of the project, in the order of their paths.
pub(crate) fn files() -> Result<&'static [TextFile]> {
    TREE.as_deref().map_err(|error| anyhow!("{error}"))
}

/// The Rust files among them.
pub(crate) fn rust_files() -> Result<impl Iterator<Item = &'static TextFile>> {
    Ok(files()?.iter().filter(|file| file.is_rust()))
}

fn read() -> Result<Vec<TextFile>> {
    let root = root()?;
    let ignored = fs::read_to_string(root.join(".gitignore")).context("reading .gitignore")?;
    let ignored = ignored
        .lines()
        .map(Ignored::parse)
        .collect::<Result<Vec<_>>>()?;
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(root.join(&folder));
        for entry in entries.with_context(|| format!("listing the folder `{folder}`"))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .with_context(|| format!("{name:?} is not UTF-8"))?;
            let path = format!("{folder}{name}");
            if path == ".git" || ignored.iter().any(|pattern| pattern.covers(&path, name)) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(format!("{path}/"));
            } else {
                let bytes = fs::read(entry.path()).with_context(|| format!("reading {path}"))?;
                files.push(TextFile {
                    path,
                    text: String::from_utf8(bytes).ok(),
                });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if files.is_empty() {
        bail!("no file under {}", root.display());
    }
    Ok(files)
}

/// A line of `.gitignore`, of the three kinds this project uses.
#[derive(Debug, PartialEq, Eq)]
enum Ignored {
    /// `/name`: one path from the root.
    Path(String),
    /// `/name-*`: what begins so at the root.
    Beginning(String),
    /// `*.tail`: what ends so anywhere.
    Ending(String),
    /// A comment or an empty line.
    Nothing,
}

impl Ignored {
    fn parse(line: &str) -> Result<Self> {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            return Ok(Self::Nothing);
        }
        let parsed = match line.strip_prefix('/') {
            Some(rooted) => match rooted.strip_suffix('*') {
                Some(beginning) => Self::Beginning(beginning.to_owned()),
                None => Self::Path(rooted.trim_end_matches('/').to_owned()),
            },
            None => match line.strip_prefix('*') {
                Some(ending) => Self::Ending(ending.to_owned()),
                None => bail!("`{line}` in .gitignore: write /path, /beginning* or *.ending"),
            },
        };
        Ok(parsed)
    }

    fn covers(&self, path: &str, name: &str) -> bool {
        match self {
            Self::Path(ignored) => path == ignored,
            Self::Beginning(beginning) => !path.contains('/') && path.starts_with(beginning),
            Self::Ending(ending) => name.ends_with(ending),
            Self::Nothing => false,
        }
    }
}

#[test]
fn what_git_ignores_is_not_of_the_tree() -> Result<()> {
    assert!(Ignored::parse("/target")?.covers("target", "target"));
    assert!(!Ignored::parse("/target")?.covers("docs/target", "target"));
    assert!(Ignored::parse("/target-*")?.covers("target-mine", "target-mine"));
    assert!(Ignored::parse("*.orig")?.covers("docs/style.md.orig", "style.md.orig"));
    assert!(Ignored::parse("target/").is_err());
    Ok(())
}

#[test]
fn the_tree_holds_this_very_file() -> Result<()> {
    assert!(
        files()?
            .iter()
            .any(|file| file.path == "tests/tidy/tree.rs")
    );
    Ok(())
}
