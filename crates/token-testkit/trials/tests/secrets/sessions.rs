//! Sessions in memory and in files, and stores that fail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use token_core::{Expected, Lease, MemoryStore, SessionKey, SessionStore, Sessions, StoreError, Stored, Version};
use token_sandbox::Service;
use token_store::{AeadSeal, FileStore, SealKey};

use crate::flows::{client, logged_in};
use crate::world::World;

const USER: &str = "session-of-siti-7c1f-test-only";

fn sessions(world: &World, store: &Arc<dyn SessionStore>) -> Sessions<provider_prakerja::Prakerja> {
    let builder = Sessions::builder(client(world).build().unwrap(), Arc::clone(store)).clock(Arc::clone(&world.clock) as _);
    let builder = builder.cache(world.policy());
    world.output.show(&builder);
    builder.build()
}

pub(crate) async fn kept(world: &mut World) {
    world.knows("the name of a session", USER);
    let path = world.folder.path().join(if world.over_tls { "over-tls" } else { "plain" });
    let seal = || Arc::new(AeadSeal::new(SealKey::new(1, *b"seal-key-of-32-bytes-for-a-file-").unwrap()));
    world.knows("the bytes of a file's key", "seal-key-of-32-bytes-for-a-file-");
    let files = FileStore::open(&path, seal()).unwrap().with_clock(Arc::clone(&world.clock) as _);
    let stores: [Arc<dyn SessionStore>; 2] = [Arc::new(MemoryStore::with_clock(Arc::clone(&world.clock) as _)), Arc::new(files)];
    for store in stores {
        let prakerja = client(world).build().unwrap();
        let token = logged_in(world, &prakerja).await;
        let all = sessions(world, &store);
        let session = all.log_in(USER, token).await.unwrap();
        for hours in [0, 2, 2] {
            world.clock.advance(Duration::from_secs(hours * 3_600));
            world.gets("Prakerja", session.token().await);
        }
        world.output.show(&(&all, &session, session.state(), &store));
        // Another process.
        let other = sessions(world, &store);
        world.gets("Prakerja", other.get(USER).unwrap().token().await);
        world.sandbox.revoke_all(Service::Prakerja);
        for _ in 0..3 {
            world.clock.advance(Duration::from_secs(2 * 3_600));
            world.takes("Prakerja", session.token().await);
        }
        world.shows(all.log_out(USER).await);
        world.takes("Prakerja", session.token().await);
        world.takes("Prakerja", sessions(world, &store).get("nobody").unwrap().token().await);
        world.shows(all.close().await);
    }
    // Files that are no sessions any more.
    let store: Arc<dyn SessionStore> = Arc::new(FileStore::open(&path, seal()).unwrap());
    let prakerja = client(world).build().unwrap();
    let token = logged_in(world, &prakerja).await;
    sessions(world, &store).log_in(USER, token).await.unwrap();
    for entry in std::fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    world.takes("Prakerja", sessions(world, &store).get(USER).unwrap().token().await);
    world.search("sessions");
}

/// Fails, or panics, in six of its calls after so many that are good.
#[derive(Debug)]
struct Broken {
    store: MemoryStore,
    panics: bool,
    left: std::sync::atomic::AtomicIsize,
}

impl Broken {
    fn may(&self) -> Result<(), StoreError> {
        // It heals, as whoever has something to store tries for ever, and each pause moves the clock.
        if !(-5..=0).contains(&self.left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst)) {
            return Ok(());
        }
        assert!(!self.panics, "planted by the test");
        Err(StoreError::Unreachable("the store is away".to_owned()))
    }
}

#[async_trait]
impl SessionStore for Broken {
    async fn get(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        self.may()?;
        let stored = self.store.get(key).await?;
        crate::output::Output::get().show(&(key, &stored));
        Ok(stored)
    }

    async fn put(&self, key: &SessionKey, value: &[u8], expected: Expected) -> Result<Version, StoreError> {
        self.may()?;
        self.store.put(key, value, expected).await
    }

    async fn delete(&self, key: &SessionKey, expected: Expected) -> Result<(), StoreError> {
        self.may()?;
        self.store.delete(key, expected).await
    }

    async fn lease(&self, key: &SessionKey, patience: Duration) -> Result<Box<dyn Lease>, StoreError> {
        self.may()?;
        self.store.lease(key, patience).await
    }
}

pub(crate) async fn broken(world: &mut World) {
    for (panics, good) in [false, true].into_iter().flat_map(|panics| (0..8).map(move |good| (panics, good))) {
        let left = good.into();
        let store: Arc<dyn SessionStore> = Arc::new(Broken { store: MemoryStore::new(), panics, left });
        let prakerja = client(world).build().unwrap();
        let token = logged_in(world, &prakerja).await;
        let all = sessions(world, &store);
        let Some(session) = world.shows(all.log_in(USER, token).await) else { continue };
        for _ in 0..2 {
            world.clock.advance(Duration::from_secs(2 * 3_600));
            let outcome = session.token_within(Duration::from_secs(100)).await;
            world.takes("Prakerja", outcome);
        }
        world.output.show(&(&session, session.state()));
    }
    world.search("stores that fail");
}
