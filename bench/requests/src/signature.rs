//! Klikoo's signature for a body of 1 KiB, beside its two hashes alone.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use bench_shared::{Column, Report};
use http::{HeaderMap, Method};
use provider_klikoo::Klikoo;
use token_core::{ApiBody, ApiRequest, Authorize, Clock as _, Expiry, SystemClock, Target, Token};

use crate::lanes::{Lane, race};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PATH: &str = "/klikoo-b2b/v1/open-api/account/inquiry";

/// In units of the two hashes.
const LIMIT: f64 = 2.0;

const HASHES: &str = "floor: SHA-256 of the body, HMAC-SHA512 of the text";
const ATTACH: &str = "Klikoo, all headers of a request";

pub(crate) fn run() -> Result<Report, String> {
    let token = Token::bearer("t".repeat(256), Expiry::After(Duration::from_secs(900)), SystemClock.now());
    let token = token.build().map_err(|fault| fault.to_string())?;
    let authorizer = Klikoo::builder()
        .base_url("https://service.example/klikoo-b2b")
        .client_id("3f9c8962-4c4b-4bb6-b3c1-8fc883519c02")
        .client_secret(SECRET)
        .authorizer(crate::overhead::cache()?)
        .and_then(token_core::AuthorizerBuilder::build)
        .map_err(|error| error.to_string())?;
    let body = vec![b'x'; 1_024];
    let method = Method::POST;
    let target = Target::new("https", "service.example", None, PATH, None).map_err(|fault| fault.to_string())?;
    let request = ApiRequest::new(&method, target, ApiBody::Bytes(&body));
    let key = hmac::Key::new(hmac::HMAC_SHA512, SECRET.as_bytes());
    // As long as what is signed.
    let text = format!("POST:/v1/open-api/account/inquiry:{}:{}:2022-03-21T10:11:40+07:00", "t".repeat(256), "0".repeat(64));
    let mut headers = HeaderMap::with_capacity(8);
    let mut lanes = [
        Lane::new(HASHES, || {
            let _ = black_box(digest::digest(&digest::SHA256, black_box(&body)));
            let _ = black_box(hmac::sign(&key, black_box(text.as_bytes())));
        }),
        Lane::new(ATTACH, || {
            headers.clear();
            let attached = authorizer.attach(black_box(&request), Some(&token), &mut headers);
            assert!(attached.is_ok() && headers.len() == 3, "a request of the benchmark failed");
        }),
    ];
    let rounds = race(&mut lanes);
    let [hashes, attach] = &lanes;
    let columns =
        vec![Column::new("ns", "ns", 0), Column::new("× the hashes", "ratio", 2), Column::new("allocations", "allocations", 1)];
    let title = format!("Klikoo's signature for a body of 1 KiB and a token of 256 bytes. Medians of {rounds} rounds.");
    let mut report = Report::new("signature", title, columns);
    for lane in &lanes {
        report.row(lane.name, vec![lane.median().into(), lane.ratio(hashes).into(), lane.allocations.into()]);
    }
    report.note("The second line is all that is done for a request: the checks, one reading of the clock, its text, both hashes, Base64, and three headers.");
    report.target(ATTACH, LIMIT, "× the hashes", attach.ratio(hashes));
    Ok(report)
}
