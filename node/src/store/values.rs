//! Every key and value below a stopped node's data directory, as RocksDB holds them: for tests that look for what must
//! not be there (promise P5). Nothing is decoded or left out on the way, so that no reader of ours hides anything.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rocksdb::{ColumnFamilyDescriptor, DB, IteratorMode, Options};

use super::{audit_index, rocks};

/// Shows each key and each value of each database in `directory` (log, states, snapshots) with where it is; returns
/// how many databases there were.
///
/// Databases are opened read-only, write-ahead logs included.
///
/// # Errors
/// If a file cannot be read or what is in it is damaged.
pub fn visit_values(directory: &Path, visit: &mut dyn FnMut(&str, &[u8])) -> io::Result<usize> {
    let databases = databases(directory)?;
    for path in &databases {
        let families = DB::list_cf(&Options::default(), path).map_err(rocks::io_error)?;
        let described = families.iter().map(|name| ColumnFamilyDescriptor::new(name, readable()));
        let db = DB::open_cf_descriptors_read_only(&readable(), path, described, false).map_err(rocks::io_error)?;
        for name in &families {
            let place = format!("{} family {name}", path.display());
            for pair in db.iterator_cf(rocks::family(&db, name), IteratorMode::Start) {
                let (key, value) = pair.map_err(rocks::io_error)?;
                visit(&place, &key);
                visit(&place, &value);
            }
        }
    }
    Ok(databases.len())
}

/// Options under which every family of a node can be read: rows of the auditor's index are merged when they are read.
fn readable() -> Options {
    let mut options = Options::default();
    audit_index::set_merge(&mut options);
    options
}

/// A folder with a file `CURRENT` is a database.
fn databases(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        if folder.join("CURRENT").is_file() {
            found.push(folder);
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushed_and_unflushed_values_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/1");
        fs::create_dir_all(&path).unwrap();
        {
            let db = DB::open_default(&path).unwrap();
            db.put(b"flushed key", b"flushed value").unwrap();
            db.flush().unwrap();
            db.put(b"logged key", b"logged value").unwrap();
        }
        let mut seen = Vec::new();
        let databases = visit_values(folder.path(), &mut |_, bytes| seen.push(bytes.to_vec())).unwrap();
        assert_eq!(databases, 1);
        for expected in ["flushed key", "flushed value", "logged key", "logged value"] {
            assert!(seen.iter().any(|bytes| bytes == expected.as_bytes()), "{expected}");
        }
    }
}
