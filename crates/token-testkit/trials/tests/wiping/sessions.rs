//! Sessions in memory and in files: what a record is made of, and what is read of it.

use std::sync::Arc;
use std::time::Duration;

use token_core::{Clock, Expiry, MemoryStore, SessionStore, Sessions, Token};
use token_store::{AeadSeal, FileStore, SealKey};
use token_testkit::ManualClock;

use crate::login::{NEXT, expect_none, prakerja, put};
use crate::support::{ACCESS_TOKEN, Canned, REFRESH_TOKEN, turn, watch_async};

const REFUSED: &str = r#"{"code":"ERROAUTH4043","message":"NEXT_REFRESH","success":false}"#;
const HOUR: Duration = Duration::from_secs(3_600);

/// A user logs in, is refreshed, found again by another process, refreshed in vain, and logs out.
async fn live(store: Arc<dyn SessionStore>, next: &'static str, refused: &'static str) {
    let clock = Arc::new(ManualClock::sleeping_moves_time());
    let sessions = |answers: &[(u16, &'static str)]| {
        let client = prakerja(Canned::new(answers), &clock).build().unwrap();
        Sessions::builder(client, Arc::clone(&store)).clock(Arc::clone(&clock) as _).build()
    };
    let first = sessions(&[(200, next)]);
    let token = Token::bearer(ACCESS_TOKEN, Expiry::After(HOUR), clock.now()).refresh_token(Some(REFRESH_TOKEN.into()));
    let session = first.log_in("user-test-only", token.build().unwrap()).await.unwrap();
    drop(session.token().await.unwrap());
    clock.advance(2 * HOUR);
    drop(session.token().await.unwrap());
    session.close().await.unwrap();
    drop(session);
    first.close().await.unwrap();
    drop(first);
    let second = sessions(&[(500, ""), (400, refused)]);
    let session = second.get("user-test-only").unwrap();
    drop(session.token().await.unwrap());
    for _ in 0..3 {
        clock.advance(2 * HOUR);
        drop(session.token().await.unwrap_err());
    }
    drop((format!("{session:?} {:?}", session.state()), session));
    second.log_out("user-test-only").await.unwrap();
    second.close().await.unwrap();
}

#[test]
fn sessions_in_memory_leave_nothing_behind() {
    let _turn = turn();
    let (next, refused) = (put(NEXT), put(REFUSED));
    let ((), freed) = watch_async(async || live(Arc::new(MemoryStore::new()), next, refused).await);
    expect_none("sessions in memory", &freed);
}

#[test]
fn sessions_in_files_leave_nothing_behind() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    let (next, refused) = (put(NEXT), put(REFUSED));
    let ((), freed) = watch_async(async || {
        let seal = Arc::new(AeadSeal::new(SealKey::new(1, [7; 32]).unwrap()));
        live(Arc::new(FileStore::open(path, seal).unwrap()), next, refused).await;
    });
    expect_none("sessions in files", &freed);
}
