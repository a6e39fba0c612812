//! Reading with a bound, and writing whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use tempfile::Builder;

/// The bytes of a file of at most `most` bytes; `None` if there is no such file.
pub(crate) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("read", path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| cannot("read", path, &error))?;
    if bytes.len() as u64 > most {
        return Err(format!("`{}` is larger than {most} bytes", path.display()));
    }
    Ok(Some(bytes))
}

/// The text of a file of at most `most` bytes; `None` if there is no such file.
pub(crate) fn read_text(path: &Path, most: u64) -> Result<Option<String>, String> {
    let text = |bytes| String::from_utf8(bytes).map_err(|_| format!("`{}` is not UTF-8", path.display()));
    read(path, most)?.map(text).transpose()
}

/// Replaces a file in one step: whoever reads it, or a stop half-way, sees the old text or the new one. Missing folders are made.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut builder = Builder::new();
        builder.prefix(".new-");
        // A temporary file is for its owner alone; a source file is for all that the umask allows.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| cannot("write", path, &error))
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} `{}`: {error}", path.display())
}
