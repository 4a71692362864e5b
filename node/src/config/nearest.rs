//! "Did you mean": the known key that looks most like an unknown one.

/// The unknown key of a parser message and the known key nearest to it, if the message is about one.
///
/// The message is serde's: ``unknown field `a`, expected one of `b`, `c` ``.
pub(super) fn unknown_key(message: &str) -> Option<(String, Option<String>)> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let key = quoted.next()?.to_owned();
    let near = quoted
        .map(|known| (distance(&key, known), known))
        .filter(|(distance, known)| *distance <= distance_max(&key, known))
        .min()
        .map(|(_, known)| known.to_owned());
    Some((key, near))
}

/// A third of the letters may differ; beyond that a guess helps nobody.
fn distance_max(key: &str, known: &str) -> usize {
    key.len().max(known.len()).div_ceil(3)
}

/// Edits (insert, delete, replace, swap neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(left != right);
            let mut cost = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *left == b[j - 1] && a[i - 1] == *right {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits_and_swaps() {
        for (a, b, edits) in
            [("", "", 0), ("", "ab", 2), ("listen", "listn", 1), ("listen", "lsiten", 1), ("ca", "crl", 2)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_known_key_is_offered_and_a_far_one_is_not() {
        let message = "unknown field `hartbeat_ms`, expected one of `heartbeat_ms`, `log_keep_entries`";
        assert_eq!(unknown_key(message), Some(("hartbeat_ms".to_owned(), Some("heartbeat_ms".to_owned()))));
        let far = "unknown field `colour`, expected `id` or `data_dir`";
        assert_eq!(unknown_key(far), Some(("colour".to_owned(), None)));
        assert_eq!(unknown_key("missing field `id`"), None);
    }
}
