//! Runs `xacminh` as a clerk or an auditor would, and holds what it said against what was expected.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::watch::Watch;

/// One command; its own deadline is 10 s.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// Where a shown command line is broken.
const LINE_WIDTH: usize = 92;

/// A program of this build: `target/debug/demo` lies beside it.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let demo = std::env::current_exe().context("the demo's own path")?;
    let path = demo.with_file_name(name);
    ensure!(path.is_file(), "{} is missing: run `make demo`", path.display());
    Ok(path)
}

/// What a program said, and how it ended.
pub(crate) struct Told {
    /// Exit code; none after a signal.
    pub(crate) code: Option<i32>,
    /// Standard output, and standard error after it.
    pub(crate) text: String,
    /// How long it took, start of the process included.
    pub(crate) took: Duration,
}

/// Runs a program to its end. What it prints here is short, so that a pipe holds it.
pub(crate) fn run(watch: &Watch, command: &mut Command) -> Result<Told> {
    let name = command.get_program().to_string_lossy().into_owned();
    let begun = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = Ended(child.with_context(|| name.clone())?);
    let status = watch.wait(&name, COMMAND_PATIENCE, || Ok(child.0.try_wait()?))?;
    let took = begun.elapsed();
    let mut text = String::new();
    if let Some(mut out) = child.0.stdout.take() {
        out.read_to_string(&mut text)?;
    }
    if let Some(mut error) = child.0.stderr.take() {
        error.read_to_string(&mut text)?;
    }
    Ok(Told { code: status.code(), text, took })
}

/// A child that does not outlive its story.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // One that has ended already needs no second end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `xacminh` with somebody's certificate, in Vietnamese.
pub(crate) fn xacminh(watch: &Watch, config: &Path, arguments: &[String]) -> Result<Told> {
    let mut command = Command::new(program("xacminh")?);
    command.args(arguments).env("XACMINH_CONFIG", config).env("LC_ALL", "vi_VN.UTF-8");
    // Files are named as somebody would who works beside the configuration.
    if let Some(folder) = config.parent() {
        command.current_dir(folder);
    }
    run(watch, &mut command)
}

/// A command line as one would type it, an option and its value on one line.
pub(crate) fn typed(arguments: &[String]) -> String {
    let mut text = "xacminh".to_owned();
    let mut width = text.len();
    for (at, word) in arguments.iter().enumerate() {
        let word = if word.contains(' ') { format!("\"{word}\"") } else { word.clone() };
        let value = arguments.get(at + 1).filter(|next| word.starts_with("--") && !next.starts_with("--"));
        let needed = 1 + word.chars().count() + value.map_or(0, |value| 3 + value.chars().count());
        if word.starts_with("--") && width + needed > LINE_WIDTH {
            text.push_str(" \\\n       ");
            width = 7;
        }
        text.push(' ');
        text.push_str(&word);
        width += 1 + word.chars().count();
    }
    text
}

impl Told {
    /// Fails unless it ended so, with all of these words and none of those.
    pub(crate) fn expect(&self, code: i32, words: &[&str], absent: &[&str]) -> Result<()> {
        ensure!(self.code == Some(code), "expected exit code {code}, got {:?}: {}", self.code, self.text);
        for word in words {
            ensure!(self.text.contains(word), "expected “{word}” in: {}", self.text);
        }
        for word in absent {
            ensure!(!self.text.contains(word), "did not expect “{word}” in: {}", self.text);
        }
        Ok(())
    }

    /// Everything but the last line, which holds what differs from answer to answer: position, time, request id.
    pub(crate) fn substance(&self) -> &str {
        self.text.trim_end().rsplit_once('\n').map_or("", |(substance, _)| substance)
    }

    /// The audit entry's position and the request id, as the last line of an answer tells them.
    pub(crate) fn entry(&self) -> Result<(u64, String)> {
        let last = self.text.trim_end().lines().last().unwrap_or_default();
        let after = |mark: &str| last.split(mark).nth(1).and_then(|rest| rest.split_whitespace().next());
        let position = after("mục kiểm toán ").and_then(|position| position.parse().ok());
        let entry = position.zip(after("mã yêu cầu ").map(str::to_owned));
        entry.with_context(|| format!("no audit entry in: {last}"))
    }
}
