//! I13, nothing in clear: looks for people in bytes, in every spelling somebody could have left them in.
//!
//! Source: promise P5; the issue's own criterion that a test greps every file the nodes wrote.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use xacminh_client::population::sample::Sampled;

/// Shortest text looked for: a shorter one is found in random bytes by chance.
const NEEDLE_BYTES_MIN: usize = 6;

/// Texts to look for, indexed by their first two bytes.
#[derive(Debug)]
pub struct Needles {
    needles: Vec<Needle>,
    by_prefix: Vec<Vec<usize>>,
}

#[derive(Debug)]
struct Needle {
    /// What it stands for, without the person.
    what: &'static str,
    bytes: Vec<u8>,
}

/// Something found where nothing should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// The kind of thing.
    pub what: &'static str,
    /// Where it was.
    pub place: String,
}

impl Needles {
    /// Everything that would give these people away.
    #[must_use]
    pub fn of(people: &[Sampled]) -> Self {
        let mut all = BTreeSet::new();
        for person in people {
            all.extend(number_spellings(&person.citizen_number));
            for number in [&person.old_number, &person.father, &person.mother, &person.spouse].into_iter().flatten() {
                all.insert(("number as text", number.clone().into_bytes()));
            }
            all.extend(name_spellings(&person.full_name));
            if person.birth_date.len() == 10 {
                // The day alone is in every log line of its year; with hyphens and in a record it would be a leak.
                all.insert(("birth date in the Vietnamese order", vietnamese_order(&person.birth_date)));
            }
        }
        Self::new(all)
    }

    fn new(all: BTreeSet<(&'static str, Vec<u8>)>) -> Self {
        let mut by_prefix = vec![Vec::new(); 1 << 16];
        let mut needles = Vec::new();
        for (what, bytes) in all {
            if bytes.len() >= NEEDLE_BYTES_MIN {
                by_prefix[usize::from(bytes[0]) << 8 | usize::from(bytes[1])].push(needles.len());
                needles.push(Needle { what, bytes });
            }
        }
        Self { needles, by_prefix }
    }

    /// How many texts are looked for.
    #[must_use]
    pub fn count(&self) -> usize {
        self.needles.len()
    }

    /// Everything found in `bytes`.
    #[must_use]
    pub fn find(&self, bytes: &[u8], place: &str) -> Vec<Find> {
        let mut found = Vec::new();
        for (at, pair) in bytes.windows(2).enumerate() {
            for candidate in &self.by_prefix[usize::from(pair[0]) << 8 | usize::from(pair[1])] {
                let needle = &self.needles[*candidate];
                if bytes[at..].starts_with(&needle.bytes) {
                    found.push(Find { what: needle.what, place: format!("{place} at byte {at}") });
                }
            }
        }
        found
    }

    /// Everything found in the files of a folder, and how many bytes of how many files were read.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn find_in_folder(&self, folder: &Path) -> Result<(Vec<Find>, Read)> {
        let mut found = Vec::new();
        let mut read = Read::default();
        for path in files(folder)? {
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            read.files.push((path.clone(), bytes.len()));
            found.extend(self.find(&bytes, &path.display().to_string()));
            let name = path.display().to_string();
            found.extend(self.find(name.as_bytes(), "a file's name"));
        }
        Ok((found, read))
    }
}

/// What was looked at, so that a test can insist on having looked.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// Files and their sizes.
    pub files: Vec<(PathBuf, usize)>,
}

impl Read {
    /// Bytes in files whose name ends so.
    #[must_use]
    pub fn bytes(&self, ending: &str) -> usize {
        let matching = self.files.iter().filter(|(path, _)| path.to_string_lossy().ends_with(ending));
        matching.map(|(_, size)| size).sum()
    }
}

/// All files below a folder.
///
/// # Errors
/// When a folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A number as digits and as the integers databases and codecs make of it.
fn number_spellings(number: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut spellings = vec![("number as text", number.as_bytes().to_vec())];
    let wide: Vec<u8> = number.bytes().flat_map(|digit| [digit, 0]).collect();
    spellings.push(("number as UTF-16", wide));
    if let Ok(integer) = number.parse::<u64>() {
        spellings.push(("number as an integer, big-endian", integer.to_be_bytes().to_vec()));
        spellings.push(("number as an integer, little-endian", integer.to_le_bytes().to_vec()));
    }
    spellings
}

/// A name in both normal forms, three cases, with and without its marks.
fn name_spellings(name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bare: String = name
        .nfd()
        .filter(|character| !is_combining_mark(*character))
        .map(|character| match character {
            'đ' => 'd',
            'Đ' => 'D',
            other => other,
        })
        .collect();
    let mut spellings = Vec::new();
    for (what, text) in [("name", name.to_owned()), ("name without marks", bare)] {
        for cased in [text.clone(), text.to_lowercase(), text.to_uppercase()] {
            spellings.push((what, cased.nfc().collect::<String>().into_bytes()));
            spellings.push((what, cased.nfd().collect::<String>().into_bytes()));
            // JSON loggers may escape what is not ASCII.
            spellings.push((what, escaped(&cased.nfc().collect::<String>())));
            spellings.push((what, cased.nfc().collect::<String>().replace(' ', "_").into_bytes()));
        }
    }
    spellings
}

fn escaped(text: &str) -> Vec<u8> {
    text.chars()
        .flat_map(|letter| {
            if letter.is_ascii() { vec![letter] } else { format!("\\u{:04x}", u32::from(letter)).chars().collect() }
        })
        .collect::<String>()
        .into_bytes()
}

fn vietnamese_order(date: &str) -> Vec<u8> {
    let parts: Vec<&str> = date.split('-').collect();
    format!("{}/{}/{}", parts[2], parts[1], parts[0]).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Sampled {
        Sampled {
            citizen_number: "048199012345".to_owned(),
            old_number: Some("201234567".to_owned()),
            full_name: "Đặng Thị Ánh Nguyệt".to_owned(),
            birth_date: "1999-02-03".to_owned(),
            sex: "female",
            province: None,
            commune: None,
            marital: "single",
            father: None,
            mother: None,
            spouse: None,
            head: None,
        }
    }

    #[test]
    fn it_barks_at_every_spelling() {
        let needles = Needles::of(&[person()]);
        let planted: [&[u8]; 9] = [
            b"x048199012345y",
            &48_199_012_345_u64.to_be_bytes(),
            &48_199_012_345_u64.to_le_bytes(),
            "Đặng Thị Ánh Nguyệt".as_bytes(),
            "ĐẶNG THỊ ÁNH NGUYỆT".as_bytes(),
            b"dang thi anh nguyet",
            b"DANG_THI_ANH_NGUYET",
            b"201234567",
            b"03/02/1999",
        ];
        for bytes in planted {
            assert!(!needles.find(bytes, "here").is_empty(), "{}", String::from_utf8_lossy(bytes));
        }
        let decomposed: String = "đặng thị ánh nguyệt".nfd().collect();
        assert!(!needles.find(decomposed.as_bytes(), "here").is_empty());
        assert_eq!(needles.find(b"048199012346 Dang Thi", "here"), []);
    }

    #[test]
    fn it_barks_at_a_planted_file_and_says_what_it_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/1.sst"), b"--048199012345--").unwrap();
        fs::write(folder.path().join("2.log"), b"clean").unwrap();
        let (found, read) = Needles::of(&[person()]).find_in_folder(folder.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].place.contains("1.sst at byte 2"), "{found:?}");
        assert_eq!((read.files.len(), read.bytes(".sst"), read.bytes(".log")), (2, 16, 5));
    }
}
