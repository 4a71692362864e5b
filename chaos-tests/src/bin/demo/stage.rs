//! What the reader sees: colours on a terminal only, so that a log of it stays readable.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

/// Widest heading.
const WIDTH: usize = 100;

/// Where the story is told.
pub(crate) struct Stage {
    coloured: bool,
}

impl Stage {
    pub(crate) fn new() -> Self {
        // https://no-color.org: any value that is not empty.
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { coloured: io::stdout().is_terminal() && !refused }
    }

    /// The beginning of a scene.
    pub(crate) fn scene(&self, number: usize, title: &str) {
        let head = format!("── {number}. {title} ");
        let rule = "─".repeat(WIDTH.saturating_sub(head.chars().count()));
        self.line("");
        self.painted("1;36", &format!("{head}{rule}"));
    }

    /// What happens, for the reader.
    pub(crate) fn say(&self, text: &str) {
        self.line(text);
    }

    /// A command as somebody would type it.
    pub(crate) fn command(&self, who: &str, text: &str) {
        self.painted("1", &format!("  {who} $ {text}"));
    }

    /// What a program printed.
    pub(crate) fn output(&self, text: &str) {
        text.lines().for_each(|line| self.line(&format!("  │ {line}")));
    }

    /// Something that was checked.
    pub(crate) fn checked(&self, text: impl Display) {
        self.painted("32", &format!("  ✓ {text}"));
    }

    /// Something that is wrong.
    pub(crate) fn failure(&self, text: &str) {
        let text = if self.coloured { format!("\x1b[31m{text}\x1b[0m") } else { text.to_owned() };
        // Nobody is left to tell if standard error is gone.
        let _ = writeln!(io::stderr().lock(), "demo: {text}");
    }

    fn painted(&self, colour: &str, text: &str) {
        if self.coloured { self.line(&format!("\x1b[{colour}m{text}\x1b[0m")) } else { self.line(text) }
    }

    fn line(&self, text: &str) {
        // A reader that left (`make demo | head`) does not end the story: the nodes are to be stopped in any case.
        let _ = writeln!(io::stdout().lock(), "{text}");
    }
}
