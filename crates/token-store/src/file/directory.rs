//! The directory: what it must be, and what is done in it. Every file is named relative to it, so it stays the one that was looked at.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use token_core::StoreError;

use super::format::LARGEST;

/// Of what we make.
const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
const DIRECTORY_MODE: u32 = 0o700;

/// For every file: no symlink is followed, no pipe is waited for, no child inherits it.
const CAREFUL: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

pub(super) struct Directory {
    handle: File,
    path: PathBuf,
}

/// Why a session's file was not read.
pub(super) enum Fault {
    /// There is something, and it is no session.
    NoSession(&'static str),
    Trouble(StoreError),
}

impl Directory {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        // Without a `/` at the end, behind which even a symlink would be followed.
        let path: PathBuf = path.components().collect();
        let refused = |what: &str, remedy: String| StoreError::Unreachable(format!("`{}` {what}: {remedy}", path.display()));
        make(&path).map_err(|error| trouble("cannot make", path.display(), error))?;
        let is_symlink = path.is_symlink();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = match rustix::fs::openat(CWD, &path, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(_) if is_symlink => {
                return Err(refused("is a symlink", "give the directory itself, as `realpath` shows it".to_owned()));
            }
            Err(Errno::NOTDIR) => return Err(refused("is no directory", "give another path".to_owned())),
            Err(error) => return Err(trouble("cannot open", path.display(), error)),
        };
        let state = rustix::fs::fstat(&handle).map_err(|error| trouble("cannot look at", path.display(), error))?;
        if Uid::from_raw(state.st_uid) != rustix::process::geteuid() {
            let remedy = "give it to the user that the program runs as, with `chown`, or name another one";
            return Err(refused("belongs to another user", remedy.to_owned()));
        }
        if Mode::from_raw_mode(state.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
            return Err(refused("is writable to others", format!("run `chmod go-w {}`", path.display())));
        }
        let access = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
        match rustix::fs::accessat(&handle, ".", access, AtFlags::empty()) {
            Ok(()) => Ok(Self { handle: handle.into(), path }),
            Err(Errno::ACCESS) => Err(refused("may not be written to", format!("run `chmod u+rwx {}`", path.display()))),
            Err(error) => Err(trouble("cannot write to", path.display(), error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A file of it, as an error names it.
    pub(super) fn shown(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    pub(super) fn trouble(&self, operation: &str, name: &str, error: impl Into<io::Error>) -> StoreError {
        trouble(operation, self.shown(name), error)
    }

    /// A session's file. `None`: there is none.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        const NO_FILE: Fault = Fault::NoSession("it is no regular file");
        let failed = |error: io::Error| Fault::Trouble(self.trouble("cannot read", name, error));
        let file = match rustix::fs::openat(&self.handle, name, OFlags::RDONLY | CAREFUL, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return self.still_there().map(|()| None).map_err(Fault::Trouble),
            Err(Errno::LOOP | Errno::MLINK) => return Err(Fault::NoSession("it is a symlink")),
            // A socket, or a device without a driver.
            Err(Errno::NXIO | Errno::OPNOTSUPP | Errno::NODEV) => return Err(NO_FILE),
            Err(error) => return Err(failed(error.into())),
        };
        if !is_regular(&rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?) {
            return Err(NO_FILE);
        }
        let limit = u64::try_from(LARGEST + 1).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        File::from(file).take(limit).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > LARGEST { Err(Fault::NoSession("it is larger than 256 KiB")) } else { Ok(Some(bytes)) }
    }

    /// In a directory that was removed nothing is found either, and that logs nobody out.
    fn still_there(&self) -> Result<(), StoreError> {
        match rustix::fs::fstat(&self.handle) {
            Ok(state) if state.st_nlink > 0 => Ok(()),
            Ok(_) => Err(StoreError::Unreachable(format!("`{}` was removed: restart the program", self.path.display()))),
            Err(error) => Err(trouble("cannot look at", self.path.display(), error)),
        }
    }

    /// Puts a file of these bytes in the place of `name`, by way of `unfinished`. It is on the disk once this returns.
    pub(super) fn replace(&self, name: &str, unfinished: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | CAREFUL;
        let failed = |error: io::Error| self.trouble("cannot write", name, error);
        let file = rustix::fs::openat(&self.handle, unfinished, flags, FILE_MODE).map_err(|error| failed(error.into()))?;
        let mut file = File::from(file);
        let replaced = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| rustix::fs::renameat(&self.handle, unfinished, &self.handle, name).map_err(Into::into));
        if let Err(error) = replaced {
            // It would be swept later; this error is the one to tell.
            let _ = self.unlink(unfinished);
            return Err(failed(error));
        }
        self.sync(name)
    }

    /// Removes a session's file. That it is away is on the disk once this returns.
    pub(super) fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.unlink(name).map_err(|error| self.trouble("cannot remove", name, error))?;
        self.sync(name)
    }

    pub(super) fn unlink(&self, name: &str) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())
    }

    fn sync(&self, name: &str) -> Result<(), StoreError> {
        self.handle.sync_all().map_err(|error| self.trouble("cannot bring to the disk the entry of", name, error))
    }

    /// Opens a lock's file; `make` makes one that is not there. `None`: there is none.
    pub(super) fn open_lock(&self, name: &str, make: bool) -> Result<Option<OwnedFd>, io::Error> {
        let make = if make { OFlags::CREATE } else { OFlags::empty() };
        match rustix::fs::openat(&self.handle, name, OFlags::RDWR | make | CAREFUL, FILE_MODE) {
            Ok(file) if is_regular(&rustix::fs::fstat(&file)?) => Ok(Some(file)),
            Ok(_) => Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file")),
            Err(Errno::NOENT) if make.is_empty() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether `file` is what `name` names now.
    pub(super) fn names(&self, name: &str, file: &OwnedFd) -> Result<bool, Errno> {
        let open = rustix::fs::fstat(file)?;
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => Ok((named.st_dev, named.st_ino) == (open.st_dev, open.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Calls `each` with the names in it that are text.
    pub(super) fn for_each_name(&self, mut each: impl FnMut(&str)) -> Result<(), StoreError> {
        let failed = |error: Errno| trouble("cannot list", self.path.display(), error);
        for entry in Dir::read_from(&self.handle).map_err(failed)? {
            if let Ok(name) = entry.map_err(failed)?.file_name().to_str() {
                each(name);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(formatter)
    }
}

fn is_regular(state: &Stat) -> bool {
    FileType::from_raw_mode(state.st_mode) == FileType::RegularFile
}

/// Makes the directory and those above it, and brings each one's entry to the disk.
fn make(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent != OsStr::new("") => parent,
        Some(_) => Path::new("."),
        // The root, or no path at all.
        None => return Ok(()),
    };
    let mut made = DirBuilder::new().mode(DIRECTORY_MODE).create(path);
    if made.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) && parent != path {
        make(parent)?;
        made = DirBuilder::new().mode(DIRECTORY_MODE).create(path);
    }
    match made {
        Ok(()) => File::open(parent)?.sync_all(),
        // What it is, is looked at next.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn trouble(operation: &str, path: impl fmt::Display, error: impl Into<io::Error>) -> StoreError {
    StoreError::Unreachable(format!("{operation} `{path}`: {}", error.into()))
}
