//! The features are on, so that the other tests of this run say something about them.
#![cfg(token_outside)]
#![allow(missing_docs, reason = "a test")]

use std::fmt::Write as _;

#[test]
fn those_of_serde_json() {
    let precise = "1.0000000000000000000000001";
    let value: serde_json::Value = serde_json::from_str(precise).unwrap();
    assert_eq!(value.to_string(), precise, "arbitrary_precision");

    let ordered = r#"{"z":1,"a":2}"#;
    let value: serde_json::Value = serde_json::from_str(ordered).unwrap();
    assert_eq!(value.to_string(), ordered, "preserve_order");

    let mut deep = String::new();
    write!(deep, "{}{}", "[".repeat(200), "]".repeat(200)).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&deep).is_err());
    let mut reader = serde_json::Deserializer::from_str(&deep);
    // This method is there with the feature `unbounded_depth` alone.
    reader.disable_recursion_limit();
    assert!(serde::Deserialize::deserialize(&mut reader).map(|_: serde_json::Value| ()).is_ok());
}

/// Each of these is there with its feature alone.
#[test]
fn those_of_reqwest() {
    let client = reqwest::Client::builder()
        .brotli(true)
        .cookie_store(true)
        .deflate(true)
        .gzip(true)
        .zstd(true)
        .http2_prior_knowledge()
        .tls_backend_native();
    assert!(client.build().is_ok());
    assert!(reqwest::Proxy::all("socks5h://127.0.0.1:9").is_ok());
}
