//! Leaks that are planted on purpose, so that a harness which finds nothing means something.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use token_testkit::SecretFinder;

use crate::output::Output;

const SECRET: &str = "planted/+&=\"\\'~ secret-test-only";

type Plant = fn(&'static Output, &str);

#[tokio::test]
async fn a_leak_is_found_wherever_it_is_planted_and_in_every_form() {
    let output = Output::get();
    let _turn = output.turn().await;
    let finder = SecretFinder::new([SECRET]);
    let forms = forms();
    let places: [(&str, Plant); 8] = [
        ("an event's message", |_, form| tracing::trace!("with {form} in it")),
        ("an event's field", |_, form| tracing::debug!(form, "asked")),
        ("a span's field", |_, form| drop(tracing::trace_span!("request", form).entered())),
        ("a field that is recorded later", |_, form| {
            let span = tracing::info_span!("request", form = tracing::field::Empty);
            span.record("form", form);
        }),
        ("a record of `log`", |_, form| log::trace!("with {form} in it")),
        ("a value", |output, form| output.add(&format!("Value({form})"))),
        ("an error's cause", |output, form| {
            let error = token_core::Error::new("test", token_core::ErrorKind::Internal, token_core::Remedy::Retry);
            output.show_error(&error.with_source(std::io::Error::other(std::io::Error::other(form))));
        }),
        ("a panic of another thread", |_, form| {
            let form = form.to_owned();
            assert!(std::thread::spawn(move || panic!("with {form} in it")).join().is_err());
        }),
    ];
    let mut found = 0;
    for (place, plant) in places {
        for (what, form) in &forms {
            let start = output.length();
            plant(output, form);
            let text = output.since(start);
            assert!(finder.find(&text).is_some(), "{what} in {place} is not found: {text}");
            found += 1;
        }
    }
    println!("{found} planted leaks were found");
    assert_eq!(finder.find("no secret in here, planted or not"), None);
}

/// The secret in every form that is looked for, with something before and after it.
fn forms() -> Vec<(&'static str, String)> {
    let bytes = SECRET.as_bytes();
    let all = |write: fn(u8) -> String| SECRET.bytes().map(write).collect::<String>();
    let mut forms = vec![
        ("as it is", SECRET.to_owned()),
        (
            "percent-encoded",
            all(|byte| {
                if byte.is_ascii_alphanumeric() || b"-~".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            }),
        ),
        (
            "percent-encoded in lower case",
            all(|byte| {
                if byte.is_ascii_alphanumeric() || b"-~".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02x}")
                }
            }),
        ),
        ("form-encoded", "planted%2F%2B%26%3D%22%5C%27~+secret-test-only".to_owned()),
        ("in hexadecimal", all(|byte| format!("{byte:02x}"))),
        ("in upper hexadecimal", all(|byte| format!("{byte:02X}"))),
        ("as JSON", serde_json::to_string(SECRET).unwrap()),
        ("as a list", format!("{bytes:?}")),
        ("as a list over lines", format!("{bytes:#?}")),
        ("as escaped bytes", format!("b\"{}\"", bytes.escape_ascii())),
        ("as a header's bytes", format!("{:?}", bytes::Bytes::from_static(bytes))),
    ];
    for before in ["", "x", "xy"] {
        let text = format!("{before}{SECRET}!");
        forms.push(("in Base64", BASE64_STANDARD.encode(&text)));
        forms.push(("in Base64 without padding", BASE64_STANDARD_NO_PAD.encode(&text)));
        forms.push(("in Base64 for URLs", BASE64_URL_SAFE.encode(&text)));
        forms.push(("in Base64 for URLs without padding", BASE64_URL_SAFE_NO_PAD.encode(&text)));
    }
    forms
}
