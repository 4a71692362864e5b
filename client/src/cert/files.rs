//! Writes certificates and keys: all or nothing in sight, keys for their owner only.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::CertError;

/// Keys are for the account that runs the node; certificates are public.
const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;

/// A file to be written.
#[derive(Clone)]
pub(super) struct NewFile {
    /// Name within the folder.
    pub(super) name: String,
    /// PEM text.
    pub(super) pem: String,
    /// Whether this is a private key.
    pub(super) secret: bool,
}

/// Writes `made` into `folder`.
///
/// Looks for files in the way before the first byte is written, so that a refusal leaves no half a set behind.
pub(super) fn write(folder: &Path, made: &[NewFile], force: bool) -> Result<Vec<PathBuf>, CertError> {
    fs::create_dir_all(folder).map_err(|source| CertError::File { path: folder.to_owned(), source })?;
    if !force && let Some(file) = made.iter().find(|file| folder.join(&file.name).exists()) {
        return Err(CertError::Exists(folder.join(&file.name)));
    }
    let mut written = Vec::with_capacity(made.len());
    for file in made {
        let path = folder.join(&file.name);
        write_one(&path, file, force).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => CertError::Exists(path.clone()),
            _ => CertError::File { path: path.clone(), source },
        })?;
        written.push(path);
    }
    Ok(written)
}

/// A new file under another name, then renamed: an old key's permissions are never inherited, and a reader sees the
/// old file or the new one.
fn write_one(path: &Path, file: &NewFile, force: bool) -> io::Result<()> {
    let mode = if file.secret { KEY_MODE } else { CERTIFICATE_MODE };
    let open = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    if !force {
        let mut handle = open(path)?;
        handle.write_all(file.pem.as_bytes())?;
        return handle.sync_all();
    }
    let draft = path.with_file_name(format!("{}.new", file.name));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut handle = open(&draft)?;
    handle.write_all(file.pem.as_bytes())?;
    handle.sync_all()?;
    fs::rename(&draft, path)
}
