//! Where receipts come from and results go to.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use tempfile::NamedTempFile;
use xacminh_proto::transparency::{PACKED_BYTES_MAX, RECEIPT_BYTES_MAX, Receipt, ReceiptError};

use crate::cli::exit::{CliError, Exit};

/// More bytes than any receipt has in either form, with an address before a packed one.
const FILE_BYTES_MAX: usize =
    4096 + if PACKED_BYTES_MAX > RECEIPT_BYTES_MAX { PACKED_BYTES_MAX } else { RECEIPT_BYTES_MAX };

/// Where a result is written to.
#[derive(Debug, Args)]
pub(super) struct OutArgs {
    /// File to write; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    force: bool,
    /// What to do if there is one
    #[arg(skip = "--force replaces it")]
    hint: &'static str,
}

/// Where a result will be: a file is begun, and appears whole or not at all.
pub(in crate::cli) struct Place {
    path: PathBuf,
    /// None if it goes to standard output.
    draft: Option<NamedTempFile>,
    force: bool,
    hint: &'static str,
}

/// The name of a path for people.
pub(in crate::cli) fn name_of(path: &Path) -> String {
    if is_standard(path) { "standard input".to_owned() } else { path.display().to_string() }
}

/// The bytes of a file that should hold a receipt, a policy or the like; `-` is standard input.
pub(in crate::cli) fn bytes(path: &Path, bytes_max: usize) -> Result<Vec<u8>, CliError> {
    let wrong = |error: io::Error| CliError::file(Path::new(&name_of(path)), error);
    let source: Box<dyn Read> =
        if is_standard(path) { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(wrong)?) };
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too long.
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    source.take(limit).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() > bytes_max {
        return Err(CliError::file(Path::new(&name_of(path)), format!("more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// A receipt in either form, parsed and not yet believed.
pub(in crate::cli) fn receipt(path: &Path) -> Result<Receipt, CliError> {
    Receipt::read(&bytes(path, FILE_BYTES_MAX)?).map_err(refused(path))
}

/// The error of a receipt read from here.
pub(in crate::cli) fn refused(path: &Path) -> impl Fn(ReceiptError) -> CliError {
    move |fault| CliError::Receipt { path: name_of(path), fault }
}

impl OutArgs {
    /// A file that must not be there yet.
    pub(super) fn new_file(path: &Path) -> Self {
        Self { out: path.to_owned(), force: false, hint: "name another file" }
    }

    /// A file whose content of before is replaced.
    pub(super) fn any_file(path: &Path) -> Self {
        Self { out: path.to_owned(), force: true, hint: "" }
    }

    /// Whether the result goes to standard output.
    pub(super) fn is_standard(&self) -> bool {
        is_standard(&self.out)
    }

    /// The file that is written.
    pub(super) fn path(&self) -> &Path {
        &self.out
    }

    /// Writes the whole result or nothing of it. Receipts are personal data: the file is its owner's alone.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<Exit, CliError> {
        self.place()?.write(bytes)?;
        Ok(Exit::Good)
    }

    /// Begins the file, so that whatever keeps it from being written shows before there is a result.
    pub(super) fn place(&self) -> Result<Place, CliError> {
        let place = |draft| Place { path: self.out.clone(), draft, force: self.force, hint: self.hint };
        if self.is_standard() {
            return Ok(place(None));
        }
        let folder = self.out.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        if !self.force && self.out.symlink_metadata().is_ok() {
            return Err(is_there(&self.out, self.hint));
        }
        let draft = NamedTempFile::new_in(folder).map_err(|error| CliError::file(&self.out, error))?;
        Ok(place(Some(draft)))
    }
}

impl Place {
    /// Whether it is standard output.
    pub(in crate::cli) const fn is_standard(&self) -> bool {
        self.draft.is_none()
    }

    /// Writes the whole result or nothing of it; to standard output as it is.
    pub(in crate::cli) fn write(self, bytes: &[u8]) -> Result<(), CliError> {
        let Some(mut draft) = self.draft else { return Ok(io::stdout().lock().write_all(bytes)?) };
        let wrong = |error: io::Error| CliError::file(&self.path, error);
        draft.write_all(bytes).map_err(wrong)?;
        draft.as_file().sync_all().map_err(wrong)?;
        // If we crash before this, the file is as it was; after it, the file is whole.
        let placed = if self.force { draft.persist(&self.path) } else { draft.persist_noclobber(&self.path) };
        placed.map(drop).map_err(|refused| match refused.error.kind() {
            io::ErrorKind::AlreadyExists => is_there(&self.path, self.hint),
            _ => CliError::file(&self.path, refused.error),
        })
    }
}

fn is_there(path: &Path, hint: &str) -> CliError {
    CliError::file(path, format!("is there already; {hint}"))
}

fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}
