//! Markdown: one sentence per line, so that a change shows which sentence changed; links that lead somewhere.

use super::{Source, none, root, sources};

/// Lines that hold two sentences. Lenient: code, tables, quotes and lists of short things are left alone.
fn crowded(source: &Source) -> Vec<String> {
    if !source.is("md") {
        return Vec::new();
    }
    let mut in_code = false;
    let mut complaints = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let special = in_code || line.starts_with(['|', '>', '#']) || line.starts_with("    ");
        if !special && sentence_ends(line) > 0 {
            complaints.push(format!("{}:{}: more than one sentence on a line", source.path, number + 1));
        }
    }
    complaints
}

/// Sentence ends inside a line: two small letters (or a closing bracket), a full stop, a space, a capital letter.
fn sentence_ends(line: &str) -> usize {
    let letters: Vec<char> = line.chars().collect();
    let ends = |at: usize| {
        let [before, last, stop, space, next] = letters[at..at + 5] else { return false };
        (before.is_lowercase() || before == '`' || before == ')')
            && (last.is_lowercase() || matches!(last, ')' | '`' | '"'))
            && matches!(stop, '.' | '!' | '?')
            && space == ' '
            && next.is_uppercase()
    };
    (0..letters.len().saturating_sub(4)).filter(|at| ends(*at)).count()
}

/// Relative links of markdown, and `docs/…` mentioned anywhere, that lead nowhere.
fn dead_links(source: &Source, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut targets = Vec::new();
    if source.is("md") {
        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in source.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split(['#', ' ']).next().unwrap_or_default();
            if !path.is_empty() && !path.contains(':') {
                targets.push(if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") });
            }
        }
    }
    if ["md", "rs", "toml"].iter().any(|extension| source.is(extension)) {
        for (at, _) in source.text.match_indices("docs/") {
            let before = source.text[..at].chars().last();
            let path: String = source.text[at..].chars().take_while(|letter| is_path(*letter)).collect();
            // `docs.…/docs/x` and the like are addresses, not our files.
            if path.ends_with(".md") && !before.is_some_and(is_path) {
                targets.push(path);
            }
        }
    }
    targets.retain(|target| !exists(target));
    targets.into_iter().map(|target| format!("{}: leads to {target}, which is not there", source.path)).collect()
}

fn is_path(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '/' | '.' | '-' | '_')
}

#[test]
fn markdown_has_one_sentence_per_line() {
    none(&sources().iter().flat_map(crowded).collect::<Vec<_>>());
}

#[test]
fn links_lead_somewhere() {
    let root = root();
    let exists = |path: &str| root.join(path).exists();
    let all = sources();
    let ours = all.iter().filter(|source| !source.path.starts_with("chaos-tests/tests/tidy/"));
    none(&ours.flat_map(|source| dead_links(source, &exists)).collect::<Vec<_>>());
}

#[test]
fn it_barks() {
    let crowd = |text: &str| crowded(&Source::sample("docs/A.md", text)).len();
    assert_eq!(crowd("One sentence here. Another one there.\n"), 1);
    assert_eq!(crowd("One sentence, e.g. this one, v1.2. of a thing.\n| a cell. Another cell. |\n"), 0);
    assert_eq!(crowd("```text\nOne line. Another line.\n```\n"), 0);
    let dead = |path: &str, text: &str| dead_links(&Source::sample(path, text), &|path| path == "docs/A.md").len();
    assert_eq!(dead("README.md", "[a](docs/A.md#top) and [b](docs/B.md)"), 2, "as a link and as a mention");
    assert_eq!(dead("docs/C.md", "[a](A.md) [out](https://example.vn/docs/B.md)"), 0);
    assert_eq!(dead("node/src/a.rs", "// see docs/NOWHERE.md"), 1);
}
