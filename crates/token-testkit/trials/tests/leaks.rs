//! Nothing is left of what was built and dropped, and nothing grows with time: no memory, no task, no descriptor.
//!
//! The figures are the kernel's own, so this is for Linux alone. The two tests take turns, as they share one process.
#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;

use provider_klikoo::{Klikoo, KlikooBuilder, RsaSigner, Signer, SignerError};
use provider_prakerja::{Prakerja, PrakerjaBuilder};
use provider_sehatmu::{SehatMu, SehatMuBuilder};
use token_core::{
    CacheState, Clock, Expiry, MemoryStore, Sessions, Token, TokenCaches, TokenProvider, TokenRequest, TokenResponse, Transport,
    TransportError,
};
use token_store::{AeadSeal, FileStore, SealKey};
use token_testkit::ManualClock;
use transport_reqwest::ReqwestTransport;

const HOUR: Duration = Duration::from_secs(3_600);

/// For one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those that are open without any of ours, and with what is made once a process: Tokio's pipe for signals, the system's roots.
fn descriptors_outside() -> usize {
    drop(runtime());
    drop(ReqwestTransport::new().unwrap());
    descriptors()
}

/// One thread, so that the allocator has one arena and a task that ended is gone at once.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Pages that this process has in memory.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse().unwrap()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Lets the tasks that have something to do go on, until `done` or far too long.
async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..200_000 {
        if done() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came to this: {what}");
}

/// At most a twentieth more than before.
fn assert_flat(what: &str, before: usize, after: usize) {
    println!("{what}: {before} pages in memory before, {after} after");
    assert!(after <= before + before / 20, "{what}: {before} pages before, {after} after");
}

/// What each service answers to a request for this path, in JSON.
fn good(path: &str, number: usize) -> String {
    if path.contains("/open-api/") {
        let data = format!(r#"{{"access_token":"klikoo-{number}","token_type":"Bearer","expires_in":900}}"#);
        return format!(r#"{{"response_code":"200012000","data":{data}}}"#);
    }
    if path.contains("/api/v1/oauth/") {
        let data = format!(
            r#"{{"access_token":"prakerja-{number}","expires_in":"3600","refresh_token":"refresh-{number}","scope":"name","token_type":"Bearer"}}"#
        );
        return format!(r#"{{"message":"no error","success":true,"errorCode":"0","data":{data}}}"#);
    }
    format!(r#"{{"access_token":"sehatmu-{number}","token_type":"Bearer","expires_in":86400}}"#)
}

/// Answers in the process; every sixteenth request that may be cut off never.
#[derive(Default)]
struct Canned {
    requests: AtomicUsize,
    unanswered: AtomicUsize,
}

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: TokenRequest) -> Result<TokenResponse, TransportError> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(16) && !request.url().path().contains("/api/v1/oauth/") {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        Ok(TokenResponse::new(StatusCode::OK, HeaderMap::new(), good(request.url().path(), number).into_bytes().into()))
    }
}

/// Signs in no time; a real signature takes longer than all the rest of a round.
struct Stamp;

#[async_trait]
impl Signer for Stamp {
    async fn sign(&self, _text: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(vec![7; 256])
    }
}

static KEY: LazyLock<String> = LazyLock::new(|| {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der.as_ref()))
});

fn klikoo(base_url: &str) -> KlikooBuilder {
    let builder = Klikoo::builder().base_url(base_url).client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02");
    builder.client_secret("secret-test-only")
}

fn sehatmu(base_url: &str) -> SehatMuBuilder {
    SehatMu::builder().base_url(base_url).client_id("id.sehatmu.client").client_secret("secret-test-only")
}

fn prakerja(base_url: &str) -> PrakerjaBuilder {
    Prakerja::builder()
        .client_id("lp-test-only")
        .client_name("Lembaga Contoh")
        .redirect_uri("https://lp.example/callback")
        .login_uri("https://lp.example/login")
        .base_url(base_url)
}

/// What was built so far, to be counted.
#[derive(Debug, Default)]
struct Built {
    caches: usize,
    sets: usize,
    transports: usize,
}

struct Builder {
    clock: Arc<ManualClock>,
    transport: Arc<Canned>,
    built: Built,
}

impl Builder {
    const BASE: &str = "https://service.example";

    /// Three providers in their caches, each asked for a token or left in the middle of a request, and dropped.
    async fn round(&mut self, number: usize) {
        let (clock, transport) =
            (|| Arc::clone(&self.clock) as Arc<dyn Clock>, || Arc::clone(&self.transport) as Arc<dyn Transport>);
        let sehatmu = sehatmu(Self::BASE).clock(clock()).transport(transport()).build().unwrap();
        let keyed = klikoo(Self::BASE).clock(clock()).transport(transport());
        // Reading a key takes longer than everything else here.
        let keyed = if number.is_multiple_of(500) { keyed.private_key(KEY.as_str()) } else { keyed.signer(Arc::new(Stamp)) };
        let klikoo = keyed.build().unwrap();
        let prakerja = prakerja(Self::BASE).clock(clock()).transport(transport()).build().unwrap();
        let user = prakerja.user_from_refresh_token("refresh-test-only").build();
        let login = prakerja.begin_login().unwrap();
        let providers: [&dyn TokenProvider; 3] = [&sehatmu, &klikoo, &user];
        for provider in providers {
            // Those that are never answered are left here, with their callers.
            let mut asked = Box::pin(provider.token());
            for _ in 0..8 {
                tokio::select! {
                    biased;
                    token = &mut asked => {
                        provider.invalidate(&token.unwrap());
                        break;
                    }
                    () = tokio::task::yield_now() => {}
                }
            }
        }
        drop(login);
        self.built.caches += 3;
    }

    /// The sets: fifty outlets of which ten fit, and the sessions of ten users.
    async fn sets(&mut self) {
        let (clock, transport) =
            (Arc::clone(&self.clock), Arc::new(Canned { requests: AtomicUsize::new(1), ..Canned::default() }));
        let (set_clock, set_transport) = (Arc::clone(&clock), Arc::clone(&transport));
        let outlets = TokenCaches::new(10, move |_: &usize| {
            Ok(sehatmu(Self::BASE).clock(Arc::clone(&set_clock) as _).transport(Arc::clone(&set_transport) as _).build()?)
        });
        for outlet in 0..50 {
            drop(outlets.get(&outlet).unwrap());
        }
        drop(outlets.get(&7).unwrap());
        let grant = prakerja(Self::BASE).clock(Arc::clone(&clock) as _).transport(transport).build().unwrap();
        let sessions = Sessions::builder(grant, Arc::new(MemoryStore::with_clock(Arc::clone(&clock) as _))).clock(clock).build();
        for user in 0..10 {
            let user = format!("user-{user}");
            let token = Token::bearer("access-test-only", Expiry::After(HOUR), self.clock.now());
            let token = token.refresh_token(Some("refresh-test-only".into())).build().unwrap();
            let session = sessions.log_in(&user, token).await.unwrap();
            let token = session.token().await.unwrap();
            session.invalidate(&token);
            session.token().await.unwrap();
        }
        sessions.log_out("user-1").await.unwrap();
        self.built.caches += 61;
        self.built.sets += 2;
    }

    /// A transport of its own, with a connection that it would keep.
    async fn transport(&mut self, service: SocketAddr) {
        let transport = Arc::new(ReqwestTransport::new().unwrap());
        let base_url = format!("http://{service}");
        let sehatmu = sehatmu(&base_url).clock(Arc::clone(&self.clock) as _).transport(transport).build().unwrap();
        sehatmu.token().await.unwrap();
        self.built.caches += 1;
        self.built.transports += 1;
    }
}

/// A service over HTTP that keeps connections and remembers nothing. It ends with the set.
async fn serve(counts: Arc<[AtomicUsize; 3]>) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut accepting = JoinSet::new();
    accepting.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let counts = Arc::clone(&counts);
                    connections.spawn(async move { drop(talk(accepted.unwrap().0, &counts).await) });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    });
    (address, accepting)
}

async fn talk(mut stream: TcpStream, counts: &[AtomicUsize; 3]) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok()).unwrap_or(0);
        stream.read_exact(&mut vec![0; length]).await?;
        let path = head.split(' ').nth(1).unwrap_or_default();
        let service = if path.contains("/open-api/") { 0 } else { 1 + usize::from(!path.contains("/api/v1/oauth/")) };
        let number = counts.get(service).map_or(0, |count| count.fetch_add(1, Ordering::Relaxed));
        let body = good(path, number);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await?;
    }
}

#[test]
fn nothing_is_left_of_100_000_providers() {
    const ROUNDS: usize = 33_400;
    /// After so many, the allocator has what it needs.
    const WARM: usize = ROUNDS / 5;

    let _alone = alone();
    let outside = descriptors_outside();
    let runtime = runtime();
    runtime.block_on(async {
        let (service, serving) = serve(Arc::default()).await;
        let clock = Arc::new(ManualClock::new());
        let mut builder = Builder { clock, transport: Arc::default(), built: Built::default() };
        let (mut pages, mut open) = (0, 0);
        // The one that accepts.
        let own_tasks = tasks();
        for number in 0..ROUNDS {
            builder.round(number).await;
            if number.is_multiple_of(200) {
                builder.sets().await;
            }
            if number.is_multiple_of(400) {
                builder.transport(service).await;
            }
            if number == WARM {
                until("no task is left", || tasks() == own_tasks).await;
                (pages, open) = (resident(), descriptors());
            }
        }
        until("no task is left", || tasks() == own_tasks).await;
        let Built { caches, sets, transports } = builder.built;
        let unanswered = builder.transport.unanswered.load(Ordering::Relaxed);
        println!(
            "{caches} providers in their caches, {sets} sets, {transports} transports; {} requests, {unanswered} left unanswered; {} tasks, {} descriptors more than after {WARM} rounds",
            builder.transport.requests.load(Ordering::Relaxed),
            tasks() - own_tasks,
            descriptors().saturating_sub(open),
        );
        assert!(caches >= 100_000 && unanswered > 1_000);
        assert_eq!(descriptors(), open);
        assert_flat("100,000 providers", pages, resident());
        drop(serving);
    });
    drop(runtime);
    assert_eq!(descriptors(), outside);
}

#[test]
fn nothing_grows_in_24_days() {
    const STEP: Duration = Duration::from_secs(120);
    const STEPS: u32 = 24 * 24 * 30;
    /// The first four days.
    const WARM: u32 = STEPS / 6;

    let _alone = alone();
    let outside = descriptors_outside();
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let counts: Arc<[AtomicUsize; 3]> = Arc::default();
        let (service, serving) = serve(Arc::clone(&counts)).await;
        let serving_tasks = tasks();
        let base_url = format!("http://{service}");
        let clock = Arc::new(ManualClock::new());
        let transport = Arc::new(ReqwestTransport::new().unwrap());
        let sehatmu = sehatmu(&base_url).clock(Arc::clone(&clock) as _).transport(Arc::clone(&transport) as _).build().unwrap();
        let klikoo = klikoo(&base_url).signer(Arc::new(RsaSigner::from_pem(&KEY).unwrap()));
        let klikoo = klikoo.clock(Arc::clone(&clock) as _).transport(Arc::clone(&transport) as _).build().unwrap();
        let grant = prakerja(&base_url).clock(Arc::clone(&clock) as _).transport(Arc::clone(&transport) as _).build().unwrap();
        let seal = Arc::new(AeadSeal::new(SealKey::generate(1).unwrap()));
        let store = FileStore::open(folder.path(), seal).unwrap().with_clock(Arc::clone(&clock) as _);
        let sessions = Sessions::builder(grant, Arc::new(store)).clock(Arc::clone(&clock) as _).build();
        let token = Token::bearer("access-test-only", Expiry::After(HOUR), clock.now());
        let token = token.refresh_token(Some("refresh-test-only".into())).build().unwrap();
        let user = sessions.log_in("user", token).await.unwrap();

        let providers: [&dyn TokenProvider; 3] = [&sehatmu, &klikoo, &user];
        let states: [&dyn Fn() -> CacheState; 3] = [&|| sehatmu.state(), &|| klikoo.state(), &|| user.state().cache];
        let (mut pages, mut open, mut alive) = (0, 0, 0);
        for step in 0..STEPS {
            clock.advance(STEP);
            for (provider, state) in providers.iter().zip(states) {
                let token = provider.token().await.unwrap();
                assert!(token.lifetime_left(&clock.now()).is_none_or(|left| !left.is_zero()), "step {step}: a token that is over");
                // A refresh behind the call ends before time goes on.
                while state().refreshing.is_some() {
                    tokio::task::yield_now().await;
                }
            }
            if step == WARM {
                (pages, open, alive) = (resident(), descriptors(), tasks());
            }
        }
        let [klikoo_requests, prakerja_requests, sehatmu_requests] = [0, 1, 2].map(|at| counts.get(at).map_or(0, |count| count.load(Ordering::Relaxed)));
        println!(
            "24 days: {klikoo_requests} requests to Klikoo, {prakerja_requests} to Prakerja, {sehatmu_requests} to SehatMu; {alive} tasks and {open} descriptors after 4 days, {} and {} after 24",
            tasks(),
            descriptors(),
        );
        assert_flat("24 days", pages, resident());
        // A connection more or less may be kept just now.
        assert!(tasks() <= alive + 2 && descriptors() <= open + 2);
        // Each lifetime asks once, at four fifths of it or somewhat later.
        for (requests, lifetimes) in [(klikoo_requests, 24 * 24 * 4), (prakerja_requests, 24 * 24), (sehatmu_requests, 24)] {
            assert!((lifetimes..=lifetimes * 3 / 2).contains(&requests), "{requests} requests in {lifetimes} lifetimes");
        }

        sessions.close().await.unwrap();
        drop((sehatmu, klikoo, user, sessions, transport));
        until("no task is left but the service's", || tasks() == serving_tasks).await;
        drop(serving);
    });
    drop(runtime);
    assert_eq!(descriptors(), outside);
}
