//! The rules of the house, as tests: a rule nobody can run is a wish.
//!
//! ```text
//! rooms    who may know whom
//! words    what may not stand in any file
//! prose    markdown: one sentence per line, links that lead somewhere
//! supply   licences, version floors and fences of `.cargo/deny.toml`, offline
//! ```
//!
//! Every rule has a test that shows it barking at a sample, for a checker that never failed may be asleep.

mod prose;
mod rooms;
mod supply;
mod words;

use std::path::{Path, PathBuf};

/// Names that are not ours to judge: products of builds and runs.
const SKIPPED: [&str; 6] = ["target", ".git", ".run", "corpus", "artifacts", "node_modules"];

/// A text file of the repository.
pub(crate) struct Source {
    /// Path from the root, with slashes.
    path: String,
    text: String,
}

impl Source {
    /// A file that exists only in a test of a rule.
    fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("chaos-tests lies in the workspace").to_owned()
}

/// Every text file of the repository, in a fixed order.
fn sources() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("the repository can be read") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            // `.git` is a file in a second working tree.
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let relative = path.strip_prefix(&root).expect("below the root").to_string_lossy().replace('\\', "/");
                found.push(Source { path: relative, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50, "the repository was not found");
    found
}

/// Fails with every complaint at once: one run shows all that is wrong.
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
