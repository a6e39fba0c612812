//! Sessions in files: which calls there are, and on what they wait.

mod directory;
mod format;
mod lock;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use token_core::{Clock, Expected, Lease, Seal, SealError, SessionKey, SessionStore, StoreError, Stored, SystemClock, Version};

use self::directory::{Directory, Fault};
use self::format::Names;
use self::lock::Lock;

/// How long a write waits for another one of the same key, which takes milliseconds.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at a lock: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// Sessions in one directory, a file each: sealed, replaced as a whole, for all processes of one machine.
///
/// - A file is named by a hash of its key, so no user's name is on the disk. Who has a list of names can still tell which of them are there.
/// - What is in it is sealed, bound to its key: a file that was altered, cut or renamed is [`StoreError::CannotUnseal`] with the file's name, and all others stay usable.
///   What no seal can tell is that the file is an older one of the same user, put back by someone who may write to the directory.
/// - A write is on the disk once it has returned, and a process that is killed leaves the old value or the new one. So does a power failure, as far as the disk keeps its word.
/// - Writes of one key take turns, in all processes, so of two that expect the same version one is [`StoreError::Conflict`]. A write that must wait longer than 10 seconds is [`StoreError::Unreachable`].
/// - A lease is a lock of the kernel on a file of its own and ends with its process. Neither kind of lock file stays: what a killed process leaves is removed when a store is opened there.
/// - No symlink is followed, no pipe waited for, and nothing beyond 256 KiB is read.
///
/// All of it needs a local file system with `flock`, as every Unix has; network file systems lock in ways of their own. It is not there on other systems.
/// Files are read and written on Tokio's threads for blocking work, so a call needs a Tokio runtime.
#[derive(Clone)]
pub struct FileStore {
    files: Files,
    clock: Arc<dyn Clock>,
}

/// What a blocking thread needs.
#[derive(Clone)]
struct Files {
    directory: Arc<Directory>,
    seal: Arc<dyn Seal>,
}

impl FileStore {
    /// Opens `directory`, makes it if it is not there, and removes what a killed process left in it. This reads the directory and blocks meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`], which names the directory and what to do: it is a symlink or no directory, belongs to someone else, is writable to others or not to us.
    pub fn open(directory: impl Into<PathBuf>, seal: Arc<dyn Seal>) -> Result<Self, StoreError> {
        let directory = Arc::new(Directory::open(&directory.into())?);
        lock::sweep(&directory)?;
        Ok(Self { files: Files { directory, seal }, clock: Arc::new(SystemClock) })
    }

    /// Waits for locks by this clock. The default is [`SystemClock`].
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Calls `attempt` until it finds its lock free; `None` when `patience` is over before. The first call is made in any case.
    async fn take_turns<T: Send + 'static>(
        &self,
        patience: Duration,
        attempt: impl Fn(&Files) -> Result<Option<T>, StoreError> + Send + Sync + 'static,
    ) -> Result<Option<T>, StoreError> {
        let attempt = Arc::new(attempt);
        let began = self.clock.now().monotonic();
        let mut pause = FIRST_PAUSE;
        loop {
            let (files, this) = (self.files.clone(), Arc::clone(&attempt));
            if let Some(done) = blocking(move || this(&files)).await? {
                return Ok(Some(done));
            }
            let waited = self.clock.now().monotonic().saturating_sub(began);
            let left = patience.saturating_sub(waited);
            if left.is_zero() {
                return Ok(None);
            }
            self.clock.sleep(pause.min(left)).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// As [`take_turns`](Self::take_turns), for a write.
    async fn write<T: Send + 'static>(
        &self,
        names: Names,
        write: impl Fn(&Files, &Names) -> Result<T, StoreError> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let file = self.files.directory.shown(&names.lock());
        let done = self.take_turns(WRITE_PATIENCE, move |files| {
            let lock = Lock::take(&files.directory, &names.lock())?;
            // The lock is held until the write has ended.
            lock.map(|_lock| write(files, &names)).transpose()
        });
        let busy = || StoreError::Unreachable(format!("another process has kept `{file}` locked for {WRITE_PATIENCE:?}"));
        done.await?.ok_or_else(busy)
    }
}

#[async_trait]
impl SessionStore for FileStore {
    async fn get(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        let (files, names) = (self.files.clone(), Names::of(key));
        blocking(move || files.get(&names)).await
    }

    async fn put(&self, key: &SessionKey, value: &[u8], expected: Expected) -> Result<Version, StoreError> {
        let value = Zeroizing::new(value.to_vec());
        self.write(Names::of(key), move |files, names| files.put(names, &value, expected)).await
    }

    async fn delete(&self, key: &SessionKey, expected: Expected) -> Result<(), StoreError> {
        self.write(Names::of(key), move |files, names| files.delete(names, expected)).await
    }

    async fn lease(&self, key: &SessionKey, patience: Duration) -> Result<Box<dyn Lease>, StoreError> {
        let names = Names::of(key);
        let lock = self.take_turns(patience, move |files| Lock::take(&files.directory, &names.lease()));
        Ok(Box::new(FileLease { _lock: lock.await?.ok_or(StoreError::Busy)? }))
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Files { directory, seal } = &self.files;
        formatter.debug_struct("FileStore").field("directory", &directory.path()).field("seal", seal).finish_non_exhaustive()
    }
}

impl Files {
    fn get(&self, names: &Names) -> Result<Option<Stored>, StoreError> {
        let name = names.session();
        let unreadable = |why| StoreError::CannotUnseal { what: self.directory.shown(&name), why };
        let file = match self.directory.read(&name) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(Fault::NoSession(why)) => return Err(unreadable(why.into())),
            Err(Fault::Trouble(trouble)) => return Err(trouble),
        };
        let (id, sealed) = format::split(&file).ok_or_else(|| unreadable(SealError::Malformed.to_string().into()))?;
        match self.seal.open(&names.context(id), sealed) {
            Ok(value) => Ok(Some(Stored { value, version: version(id) })),
            Err(SealError::Unavailable) => Err(StoreError::Unreachable(SealError::Unavailable.to_string())),
            Err(error) => Err(unreadable(error.to_string().into())),
        }
    }

    /// Under the key's lock.
    fn put(&self, names: &Names, value: &[u8], expected: Expected) -> Result<Version, StoreError> {
        self.check(names, expected)?;
        let failed = |error: SealError| StoreError::Unreachable(error.to_string());
        let mut id = [0; 16];
        rand::fill(&mut id).map_err(|_| failed(SealError::Unavailable))?;
        let sealed = self.seal.seal(&names.context(&id), value).map_err(failed)?;
        let file = format::join(&id, &sealed);
        if file.len() > format::LARGEST {
            let what = format!("a session of {} bytes is too large for a file of at most {} bytes", value.len(), format::LARGEST);
            return Err(StoreError::Unreachable(what));
        }
        let mut part = [0; 8];
        rand::fill(&mut part).map_err(|_| failed(SealError::Unavailable))?;
        self.directory.replace(&names.session(), &names.unfinished(part), &file)?;
        Ok(version(&id))
    }

    /// Under the key's lock.
    fn delete(&self, names: &Names, expected: Expected) -> Result<(), StoreError> {
        if self.check(names, expected)? { self.directory.remove(&names.session()) } else { Ok(()) }
    }

    /// Whether there is something to take the place of.
    ///
    /// The version stands in the clear, so this needs no key. A file that is damaged is something, and has no version unless that part of it is whole.
    fn check(&self, names: &Names, expected: Expected) -> Result<bool, StoreError> {
        let present = match self.directory.read(&names.session()) {
            Ok(None) => None,
            Ok(Some(file)) => Some(format::split(&file).map(|(id, _)| version(id))),
            Err(Fault::NoSession(_)) => Some(None),
            Err(Fault::Trouble(trouble)) => return Err(trouble),
        };
        match (expected, present) {
            (Expected::Anything, _) | (Expected::Nothing, None) => Ok(present.is_some()),
            (Expected::Version(expected), Some(Some(version))) if expected == version => Ok(true),
            (Expected::Nothing | Expected::Version(_), _) => Err(StoreError::Conflict),
        }
    }
}

/// Ends when it is dropped: the lock's file is removed and closed.
#[derive(Debug)]
struct FileLease {
    _lock: Lock,
}

impl Lease for FileLease {}

fn version(id: &format::Id) -> Version {
    Version(u128::from_be_bytes(*id))
}

/// Runs `work` where it may block. If the caller's future is dropped, it still runs to its end.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    let Ok(runtime) = Handle::try_current() else {
        return Err(StoreError::Unreachable("files are read and written on a Tokio runtime, and there is none here".to_owned()));
    };
    match runtime.spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(StoreError::Unreachable("the work on a file panicked".to_owned())),
        Err(_) => Err(StoreError::Unreachable("the Tokio runtime ended before the work on a file did".to_owned())),
    }
}
