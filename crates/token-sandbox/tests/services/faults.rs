//! Every fault as it stands on the wire, the plan by code and by the control endpoint.

use std::io::ErrorKind;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use token_sandbox::{Ending, Fault, Page, Place, RetryAfter, Route, Sandbox, When};

use crate::{builder, client};

const ROUTE: Route = Route::SehatMuToken;

/// For a failing test alone.
const GUARD: Duration = Duration::from_secs(20);

async fn connect(sandbox: &Sandbox) -> TcpStream {
    let address = sandbox.sehatmu_base_url().strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

async fn ask(stream: &mut TcpStream, sandbox: &Sandbox, connection: &str) {
    let credentials = sandbox.sehatmu_credentials();
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        credentials.client_id(),
        credentials.client_secret()
    );
    let host = sandbox.sehatmu_base_url().strip_prefix("http://").unwrap();
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// All that comes on a connection until its end, and how it ended.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let ended = timeout(GUARD, stream.read_to_end(&mut bytes)).await.unwrap();
    (bytes, ended.err().map(|error| error.kind()))
}

async fn answer_to(fault: Fault) -> (Vec<u8>, Option<ErrorKind>) {
    let (builder, _clock) = builder();
    let sandbox = builder.sehatmu(|settings| settings.new_tokens_per_minute = None).start().await.unwrap();
    sandbox.faults().set(ROUTE, fault);
    let mut stream = connect(&sandbox).await;
    ask(&mut stream, &sandbox, "close").await;
    let answer = rest(&mut stream).await;
    assert_eq!(sandbox.faults().happened(ROUTE), 1);
    answer
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// Head as text, in lower case, and body.
fn parts(bytes: &[u8]) -> (String, &[u8]) {
    let end = find(bytes, b"\r\n\r\n").unwrap();
    (String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase(), &bytes[end + 4..])
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

async fn body_of(fault: Fault) -> Vec<u8> {
    let (bytes, ended) = answer_to(fault).await;
    assert_eq!(ended, None);
    let (head, body) = parts(&bytes);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(header(&head, "content-length").map(str::to_owned), Some(body.len().to_string()));
    body.to_vec()
}

#[tokio::test]
async fn an_answer_is_cut_where_it_is_wanted() {
    let whole = answer_to(Fault::Cut { at: Place::Bytes(usize::MAX), ending: Ending::Close }).await.0;
    let (_, body) = parts(&whole);
    for (at, length) in [
        (Place::Bytes(0), 0),
        (Place::Bytes(9), 9),
        (Place::Head, (whole.len() - body.len()) / 2),
        (Place::Body, whole.len() - body.len().div_ceil(2)),
    ] {
        let (bytes, ended) = answer_to(Fault::Cut { at, ending: Ending::Close }).await;
        // The secret values differ from answer to answer and their lengths do not.
        assert_eq!((bytes.len(), ended), (length, None), "{at:?}");
        let (_, ended) = answer_to(Fault::Cut { at, ending: Ending::Reset }).await;
        assert_eq!(ended, Some(ErrorKind::ConnectionReset), "{at:?}");
    }
}

#[tokio::test]
async fn silence_lasts_until_the_client_goes() {
    let sandbox = Sandbox::start().await.unwrap();
    sandbox.faults().set(ROUTE, Fault::Cut { at: Place::Bytes(20), ending: Ending::Silence });
    let mut stream = connect(&sandbox).await;
    ask(&mut stream, &sandbox, "keep-alive").await;
    let mut bytes = [0; 20];
    timeout(GUARD, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    // What is sent into the silence gets no answer either.
    ask(&mut stream, &sandbox, "keep-alive").await;
    stream.shutdown().await.unwrap();
    assert!(rest(&mut stream).await.0.is_empty());
    timeout(GUARD, sandbox.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_reset_at_accept_meets_any_request_and_no_other_service() {
    let sandbox = Sandbox::start().await.unwrap();
    sandbox.faults().add(ROUTE, Fault::ResetAtAccept, When::Next(1));
    let mut klikoo = TcpStream::connect(sandbox.klikoo_base_url().split('/').nth(2).unwrap()).await.unwrap();
    klikoo.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(timeout(GUARD, klikoo.read_u8()).await.unwrap().is_ok());
    let mut stream = connect(&sandbox).await;
    let (bytes, ended) = rest(&mut stream).await;
    assert_eq!((bytes.len(), ended), (0, Some(ErrorKind::ConnectionReset)));
    assert_eq!(sandbox.requests().total(), 0);
    let me = format!("{}/oauth/me", sandbox.sehatmu_base_url());
    assert_eq!(client().get(me).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_byte_comes_a_second_by_the_clock_of_the_sandbox() {
    let (builder, clock) = builder();
    let sandbox = builder.start().await.unwrap();
    sandbox.faults().set(ROUTE, Fault::Trickle { pause: Duration::from_secs(1) });
    let mut stream = connect(&sandbox).await;
    ask(&mut stream, &sandbox, "close").await;
    for expected in *b"HTTP/1.1 200" {
        assert_eq!(timeout(GUARD, stream.read_u8()).await.unwrap().unwrap(), expected);
        // Nothing more until time goes by.
        assert_eq!(stream.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        while clock.slept().is_empty() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_service_is_late_by_its_delay_and_some_chance() {
    let (delay, jitter) = (Duration::from_secs(2), Duration::from_secs(4));
    let clock = std::sync::Arc::new(token_testkit::ManualClock::sleeping_moves_time());
    let sandbox = Sandbox::builder().clock(clock.clone()).start().await.unwrap();
    sandbox.faults().set(ROUTE, Fault::Latency { delay, jitter });
    for _ in 0..8 {
        let mut stream = connect(&sandbox).await;
        ask(&mut stream, &sandbox, "close").await;
        assert!(rest(&mut stream).await.0.starts_with(b"HTTP/1.1 "));
    }
    let slept = clock.slept();
    assert_eq!(slept.len(), 8);
    assert!(slept.iter().all(|slept| (delay..delay + jitter).contains(slept)), "{slept:?}");
    assert!(slept.windows(2).any(|pair| pair[0] != pair[1]), "{slept:?}");
}

#[tokio::test]
async fn lengths_and_chunks_are_wrong_as_wanted() {
    for off_by in [7, -7] {
        let (bytes, _) = answer_to(Fault::Length { off_by }).await;
        let (head, body) = parts(&bytes);
        let announced: i64 = header(&head, "content-length").unwrap().parse().unwrap();
        assert_eq!(announced - i64::try_from(body.len()).unwrap(), off_by);
        assert!(serde_json::from_slice::<Value>(body).is_ok());
    }
    let (bytes, ended) = answer_to(Fault::CutChunks).await;
    let (head, body) = parts(&bytes);
    assert_eq!((header(&head, "transfer-encoding"), header(&head, "content-length"), ended), (Some("chunked"), None, None));
    let at = find(body, b"\r\n").unwrap();
    let size = usize::from_str_radix(std::str::from_utf8(&body[..at]).unwrap(), 16).unwrap();
    assert_eq!(body.len() - at - 2, size / 2);
}

#[tokio::test]
async fn pages_and_redirects_come_in_the_services_place() {
    let date = Some("mon, 23 nov 2026 00:01:30 gmt");
    let cases = [
        (Fault::TooManyRequests { retry_after: RetryAfter::Absent }, 429, "retry-after", None, "Too Many"),
        (Fault::TooManyRequests { retry_after: RetryAfter::Seconds(7) }, 429, "retry-after", Some("7"), "Too Many"),
        (Fault::TooManyRequests { retry_after: RetryAfter::Date(90) }, 429, "retry-after", date, "Too Many"),
        (Fault::ServerError { status: 500, page: Page::Html }, 500, "content-type", Some("text/html"), "<title>500"),
        (Fault::ServerError { status: 502, page: Page::Json }, 502, "content-type", Some("application/json"), "\"status\":502"),
        (Fault::ServerError { status: 503, page: Page::Text }, 503, "content-type", Some("text/plain"), "Service Unavailable"),
        (Fault::Redirect { status: 307, location: "/there".to_owned() }, 307, "location", Some("/there"), ""),
    ];
    for (fault, status, name, value, words) in cases {
        let (bytes, _) = answer_to(fault.clone()).await;
        let (head, body) = parts(&bytes);
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{fault:?}: {head}");
        assert_eq!(header(&head, name), value, "{fault:?}");
        assert!(String::from_utf8_lossy(body).contains(words), "{fault:?}");
    }
    // The service has not acted, and the request was counted.
    let sandbox = Sandbox::start().await.unwrap();
    sandbox.faults().set(ROUTE, Fault::ServerError { status: 500, page: Page::Text });
    let mut stream = connect(&sandbox).await;
    ask(&mut stream, &sandbox, "close").await;
    rest(&mut stream).await;
    assert_eq!((sandbox.requests().sehatmu_token, sandbox.outcomes(ROUTE).get("fault")), (1, Some(&1)));
}

#[tokio::test]
async fn what_is_large_is_as_large_as_wanted() {
    const MIB: u64 = 1024 * 1024;
    for is_announced in [true, false] {
        let (bytes, ended) = answer_to(Fault::LargeBody { bytes: 3 * MIB, is_announced }).await;
        let (head, body) = parts(&bytes);
        assert_eq!(ended, None);
        assert!(body.len() as u64 > 3 * MIB && (body.len() as u64) < 4 * MIB);
        assert_eq!(header(&head, "content-length").is_some(), is_announced);
        if is_announced {
            assert_eq!(header(&head, "content-length").unwrap(), body.len().to_string());
            assert!(serde_json::from_slice::<Value>(body).is_ok());
        } else {
            assert!(body.ends_with(b"\r\n0\r\n\r\n"));
        }
    }
    let (bytes, _) = answer_to(Fault::LargeHeader { bytes: MIB }).await;
    let (head, body) = parts(&bytes);
    assert_eq!(header(&head, "x-filler").map(str::len), Some(1024 * 1024));
    assert!(serde_json::from_slice::<Value>(body).is_ok());
}

#[tokio::test]
async fn a_bomb_is_gzip_of_the_size_that_was_wanted() {
    for is_labelled in [true, false] {
        let (bytes, _) = answer_to(Fault::GzipBomb { unpacked_bytes: 1_000_000, is_labelled }).await;
        let (head, body) = parts(&bytes);
        assert_eq!(header(&head, "content-encoding"), is_labelled.then_some("gzip"));
        assert_eq!(header(&head, "content-length").unwrap(), body.len().to_string());
        assert!(body.starts_with(b"\x1f\x8b\x08") && body.len() < 7_000, "{}", body.len());
        let length = u32::from_le_bytes(*body.last_chunk().unwrap());
        assert_eq!(inflated_zeros(&body[10..body.len() - 8]), u64::from(length));
        assert!((990_000..1_010_000).contains(&length), "{length}");
    }
}

/// How many zeros a deflate block of fixed codes holds that is made as the bomb is: RFC 1951, section 3.2.6.
fn inflated_zeros(stream: &[u8]) -> u64 {
    let mut bits = stream.iter().flat_map(|byte| (0..8).map(move |at| (byte >> at) & 1 == 1));
    let mut code = |length: usize| (0..length).fold(0_u32, |code, _| (code << 1) | u32::from(bits.next().unwrap()));
    assert_eq!(code(3), 0b110);
    let mut zeros = 0;
    loop {
        match code(7) {
            0 => return zeros,
            high => match (high << 1) | code(1) {
                0b0011_0000 => zeros += 1,
                0b1100_0101 => {
                    assert_eq!(code(5), 0);
                    zeros += 258;
                }
                other => panic!("{other:b}"),
            },
        }
    }
}

#[tokio::test]
async fn the_json_is_spoiled_as_wanted() {
    let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
    let body = text(body_of(Fault::DoubledKeys).await);
    assert_eq!(body.matches("\"accessToken\":").count(), 2, "{body}");
    let body = text(body_of(Fault::DeepNesting { levels: 5_000 }).await);
    assert!(body.starts_with(&format!("{{\"deep\":{}", "[".repeat(5_000))), "{body}");
    assert!(body.contains(&format!("[{},", "]".repeat(5_000))), "{body}");
    let body = body_of(Fault::InvalidUtf8).await;
    assert!(find(&body, b"\xff\xfe").is_some());
    let body = text(body_of(Fault::NumbersOutOfRange).await);
    assert!(body.contains("\"accessTokenExpiresAt\":\"99999999999999"), "{body}");
    let body: Value = serde_json::from_slice(&body_of(Fault::LongToken { bytes: 1024 * 1024 }).await).unwrap();
    assert_eq!(body["accessToken"].as_str().unwrap().len(), 1024 * 1024);
    let body: Value = serde_json::from_slice(&body_of(Fault::TokenWithLineBreak).await).unwrap();
    assert!(body["accessToken"].as_str().unwrap().contains("\r\n"));

    // A number that is one, in a service that has one.
    let sandbox = Sandbox::builder()
        .sehatmu(|settings| settings.success_form = token_sandbox::SehatMuSuccess::Rfc6749)
        .start()
        .await
        .unwrap();
    sandbox.faults().set(ROUTE, Fault::NumbersOutOfRange);
    let mut stream = connect(&sandbox).await;
    ask(&mut stream, &sandbox, "close").await;
    let body = String::from_utf8(rest(&mut stream).await.0).unwrap();
    assert!(body.contains("\"expires_in\":9e999"), "{body}");
}

#[tokio::test]
async fn the_date_is_off_and_nothing_else() {
    for (off_by_seconds, date) in [(3_600, "mon, 23 nov 2026 01:00:00 gmt"), (-3_600, "sun, 22 nov 2026 23:00:00 gmt")] {
        let (bytes, _) = answer_to(Fault::Date { off_by_seconds }).await;
        let (head, body) = parts(&bytes);
        assert_eq!(header(&head, "date"), Some(date));
        assert!(String::from_utf8_lossy(body).contains("2026-11-24T00:00:00"));
    }
    // Out of range is not out of bounds.
    answer_to(Fault::Date { off_by_seconds: i64::MIN }).await;
}

#[tokio::test]
async fn a_kept_connection_closes_when_it_is_used_again() {
    let sandbox = Sandbox::start().await.unwrap();
    sandbox.faults().add(ROUTE, Fault::CloseBeforeReuse, When::Next(1));
    let mut stream = connect(&sandbox).await;
    ask(&mut stream, &sandbox, "keep-alive").await;
    let mut seen = Vec::new();
    let is_whole = |seen: &[u8]| {
        find(seen, b"\r\n\r\n").is_some_and(|_| {
            let (head, body) = parts(seen);
            header(&head, "content-length") == Some(body.len().to_string().as_str())
        })
    };
    while !is_whole(&seen) {
        timeout(GUARD, stream.read_buf(&mut seen)).await.unwrap().unwrap();
    }
    assert_eq!(stream.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    ask(&mut stream, &sandbox, "keep-alive").await;
    assert!(rest(&mut stream).await.0.is_empty());
    assert_eq!(sandbox.requests().sehatmu_token, 1);
}

#[tokio::test]
async fn after_a_script_that_ends_well_the_connection_goes_on() {
    let sandbox = Sandbox::start().await.unwrap();
    sandbox.faults().add(ROUTE, Fault::LargeHeader { bytes: 100 }, When::Next(1));
    let mut stream = connect(&sandbox).await;
    ask(&mut stream, &sandbox, "keep-alive").await;
    ask(&mut stream, &sandbox, "close").await;
    let bytes = rest(&mut stream).await.0;
    assert_eq!(String::from_utf8_lossy(&bytes).matches("HTTP/1.1 200").count(), 2);
    assert_eq!(String::from_utf8_lossy(&bytes).matches("x-filler").count(), 1);
}

#[tokio::test]
async fn the_control_endpoint_plans_and_clears() {
    let sandbox = Sandbox::start().await.unwrap();
    let send = async |method: Method, body: Option<Value>| {
        let mut request = client().request(method, format!("{}/faults", sandbox.control_url()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        crate::json(request.send().await.unwrap()).await
    };
    let every = json!([
        {"certificate": "expired"}, "close_before_reuse", {"cut": {"at": "body", "ending": "reset"}},
        {"cut": {"at": {"bytes": 9}, "ending": "silence"}}, "cut_chunks", {"date": {"off_by_seconds": -3600}},
        {"deep_nesting": {"levels": 100}}, "doubled_keys", {"gzip_bomb": {"unpacked_bytes": 1000000, "is_labelled": true}},
        "invalid_utf8", {"large_body": {"bytes": 100000000, "is_announced": false}}, {"large_header": {"bytes": 1000000}},
        {"latency": {"delay": 1.5, "jitter": 0.0}}, {"length": {"off_by": -1}}, {"long_token": {"bytes": 1000000}},
        "numbers_out_of_range", {"redirect": {"status": 308, "location": "/there"}}, "reset_at_accept",
        {"server_error": {"status": 502, "page": "html"}}, "token_with_line_break",
        {"too_many_requests": {"retry_after": {"date": 60}}}, {"trickle": {"pause": 1.0}},
    ]);
    for fault in every.as_array().unwrap() {
        let rule = json!({"route": "klikoo_token", "fault": fault, "when": {"next": 2}});
        let (status, body) = send(Method::POST, Some(rule.clone())).await;
        assert_eq!((status, body), (200, json!([rule])));
        assert_eq!(send(Method::DELETE, Some(json!({"route": "klikoo_token"}))).await, (200, json!([])));
    }
    let rule = json!({"route": "sehatmu_me", "fault": {"server_error": {"status": 503, "page": "text"}}});
    let (_, body) = send(Method::POST, Some(rule)).await;
    assert_eq!(body[0]["when"], "until_cleared");
    let me = format!("{}/oauth/me", sandbox.sehatmu_base_url());
    assert_eq!(client().get(&me).send().await.unwrap().status(), 503);
    send(Method::DELETE, Some(json!({"route": "klikoo_token"}))).await;
    assert_eq!(send(Method::GET, None).await.1.as_array().unwrap().len(), 1);
    assert_eq!(send(Method::DELETE, None).await.1, json!([]));
    assert_eq!(client().get(&me).send().await.unwrap().status(), 401);

    for wrong in [
        json!({"route": "gojek_token", "fault": "doubled_keys"}),
        json!({"route": "klikoo_token", "fault": "no_such_fault"}),
        json!({"route": "klikoo_token", "fault": {"redirect": {"status": 200, "location": "/"}}}),
        json!({"route": "klikoo_token", "fault": {"redirect": {"status": 301, "location": "a\nb"}}}),
        json!({"route": "klikoo_token", "fault": {"server_error": {"status": 200, "page": "text"}}}),
        json!({"route": "klikoo_token", "fault": {"long_token": {"bytes": 1_000_000_000}}}),
        json!({"route": "klikoo_token", "fault": {"deep_nesting": {"levels": 1_000_000_000}}}),
        json!({"route": "klikoo_token", "fault": {"trickle": {"pause": -1}}}),
        json!({"route": "klikoo_token", "fault": "doubled_keys", "when": "sometimes"}),
        json!({"route": "klikoo_token"}),
    ] {
        assert_eq!(send(Method::POST, Some(wrong.clone())).await.0, 400, "{wrong}");
    }
    assert_eq!(send(Method::GET, None).await.1, json!([]));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn over_tls_the_certificate_is_good_or_as_bad_as_wanted() {
    use token_sandbox::CertificateFault;

    let sandbox = Sandbox::builder().tls().start().await.unwrap();
    let root = reqwest::Certificate::from_pem(sandbox.root_certificate_pem().unwrap().as_bytes()).unwrap();
    // Whatever else another crate switches on: the words below are those of rustls.
    let client = || reqwest::Client::builder().tls_backend_rustls().no_proxy().tls_certs_only([root.clone()]).build().unwrap();
    for (base, path) in [
        (sandbox.prakerja_base_url(), "/api/v1/resource/user_profile"),
        (sandbox.sehatmu_base_url(), "/oauth/me"),
        (sandbox.klikoo_base_url(), "/v1/open-api/balance"),
    ] {
        assert!(base.starts_with("https://127.0.0.1:"), "{base}");
        assert!(client().get(format!("{base}{path}")).send().await.unwrap().status().is_client_error());
    }
    let me = format!("{}/oauth/me", sandbox.sehatmu_base_url());
    let mut said = Vec::new();
    for fault in [CertificateFault::Expired, CertificateFault::SelfSigned, CertificateFault::WrongHost] {
        sandbox.faults().add(Route::SehatMuMe, Fault::Certificate(fault), When::Next(1));
        let error = client().get(&me).send().await.unwrap_err();
        said.push(format!("{error:?}"));
        assert_eq!(client().get(&me).send().await.unwrap().status(), 401, "{fault:?}");
    }
    for (said, word) in said.iter().zip(["Expired", "UnknownIssuer", "NotValidForName"]) {
        assert!(said.contains(word), "{said}");
    }
    // The torn answers are torn under TLS too.
    let balance = format!("{}/v1/open-api/balance", sandbox.klikoo_base_url());
    sandbox.faults().set(Route::KlikooBalance, Fault::Cut { at: Place::Body, ending: Ending::Close });
    let answer = client().get(&balance).send().await.unwrap();
    assert!(answer.text().await.is_err());
    sandbox.faults().set(Route::SehatMuMe, Fault::LargeBody { bytes: 1_000_000, is_announced: true });
    assert!(client().get(&me).send().await.unwrap().text().await.unwrap().len() > 1_000_000);
}
