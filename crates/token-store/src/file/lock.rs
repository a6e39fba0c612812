//! Locks that all processes see, on files that come and go.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use token_core::StoreError;

use super::directory::Directory;
use super::format::Rest;

/// How often a lock's file may go away under us before the lock counts as taken: each time someone else had it and let it go.
const TRIES: usize = 16;

/// A file that we alone have locked. The kernel ends the lock with the process.
///
/// Only its holder removes the file, and whoever gets the lock sees first that the file still has its name: two processes with two files would both hold the lock.
#[derive(Debug)]
pub(super) struct Lock {
    directory: Arc<Directory>,
    name: String,
    file: OwnedFd,
}

impl Lock {
    /// `None`: someone else has it.
    pub(super) fn take(directory: &Arc<Directory>, name: &str) -> Result<Option<Self>, StoreError> {
        Self::try_take(directory, name, true).map_err(|error| directory.trouble("cannot lock", name, error))
    }

    fn try_take(directory: &Arc<Directory>, name: &str, make: bool) -> Result<Option<Self>, io::Error> {
        for _ in 0..TRIES {
            let Some(file) = directory.open_lock(name, make)? else {
                return Ok(None);
            };
            match turn(directory, name, &file)? {
                Turn::Gone => {}
                Turn::Mine => return Ok(Some(Self { directory: Arc::clone(directory), name: name.to_owned(), file })),
                Turn::Others => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// Whose turn it is.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// Someone else had it when the file was opened, and removed the file since.
    Gone,
    Mine,
    Others,
}

/// Locks a file that was opened by this name.
fn turn(directory: &Directory, name: &str, file: &OwnedFd) -> Result<Turn, io::Error> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if directory.names(name, file)? => Ok(Turn::Mine),
        Ok(()) => Ok(Turn::Gone),
        Err(Errno::WOULDBLOCK) => Ok(Turn::Others),
        Err(error) => Err(error.into()),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While the file still has the lock. One that was put there by someone who removed ours is theirs.
        if self.directory.names(&self.name, &self.file).unwrap_or(false) {
            // What stays is free to be locked, and swept later.
            let _ = self.directory.unlink(&self.name);
        }
    }
}

/// Removes what killed processes left, and nothing that a process has in use: a lock's file while we hold the lock, and what is unfinished under its lock.
pub(super) fn sweep(directory: &Arc<Directory>) -> Result<(), StoreError> {
    let mut rests = Vec::new();
    directory.for_each_name(|name| {
        if let Some(rest) = Rest::of(name) {
            rests.push((name.to_owned(), rest));
        }
    })?;
    for (name, rest) in rests {
        // What cannot be removed now does no harm, and is tried again the next time.
        match rest {
            Rest::Lock => drop(Lock::try_take(directory, &name, false)),
            Rest::Unfinished(lock) => {
                if let Ok(Some(_lock)) = Lock::try_take(directory, &lock, true) {
                    let _ = directory.unlink(&name);
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    /// As threads seldom meet between the two calls.
    #[test]
    fn a_lock_on_a_file_that_was_removed_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::open(folder.path()).unwrap());
        let lock = Lock::take(&directory, "lock").unwrap().unwrap();
        let file = directory.open_lock("lock", false).unwrap().unwrap();
        assert_eq!(turn(&directory, "lock", &file).unwrap(), Turn::Others);
        drop(lock);
        assert_eq!(turn(&directory, "lock", &file).unwrap(), Turn::Gone);
        // Nor where there is another one by now.
        let next = Lock::take(&directory, "lock").unwrap().unwrap();
        assert_eq!(turn(&directory, "lock", &file).unwrap(), Turn::Gone);
        assert_eq!(turn(&directory, "lock", &next.file).unwrap(), Turn::Mine);
    }

    /// Its file comes and goes with each turn.
    #[test]
    fn a_lock_is_of_one_thread_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let holders = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    // Its own directory, as another process has.
                    let directory = Arc::new(Directory::open(folder.path()).unwrap());
                    let mut turns = 0;
                    while turns < 2_000 {
                        let Some(lock) = Lock::take(&directory, "lock").unwrap() else {
                            thread::yield_now();
                            continue;
                        };
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        assert_eq!(holders.fetch_sub(1, Ordering::SeqCst), 1);
                        drop(lock);
                        turns += 1;
                    }
                });
            }
        });
        assert!(!folder.path().join("lock").exists());
    }
}
